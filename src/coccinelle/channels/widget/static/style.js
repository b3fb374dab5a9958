/** How the panel looks. Sizes follow the reader's text size, whatever the page's is. */
export const LOOK = new CSSStyleSheet();

/** The tenant's colour, and one that can be read on it. */
export function paint([color, ink]) {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`.panel { --accent: ${color}; --on-accent: ${ink}; }`);
  return sheet;
}

/** On phones, the page behind does not scroll. */
export function holdPage() {
  releasePage();
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, HELD];
}

export function releasePage() {
  document.adoptedStyleSheets = document.adoptedStyleSheets.filter((one) => one !== HELD);
}

const HELD = new CSSStyleSheet();

HELD.replaceSync(`
@media (max-width: 767.98px), (max-height: 480px) { html { overflow: hidden !important; } }`);

LOOK.replaceSync(`
:host { all: initial; }
:host([inline]) { display: block; height: 100%; }
[hidden] { display: none !important; }
*, ::before, ::after { box-sizing: border-box; }

.panel {
  --ground: #faf7f2; --surface: #fff; --raised: #f2ece3; --line: #e6ded2; --edge: #857b6e;
  --ink: #24201b; --soft: #635a4f; --shade: 0 8px 40px #2a1f1433;
  --bad: #98261b; --bad-ground: #fdf0ed; --good: #1d5f3a; --good-ground: #eaf5ee;
  position: fixed; right: max(20px, env(safe-area-inset-right));
  bottom: calc(max(20px, env(safe-area-inset-bottom)) + 76px);
  display: flex; flex-direction: column; overflow: clip;
  width: 25em; height: min(37.5em, 100dvh - 116px);
  border: 1px solid var(--line); border-radius: 20px; background: var(--ground); color: var(--ink);
  font: medium/1.5 system-ui, sans-serif; overflow-wrap: anywhere; color-scheme: light;
  box-shadow: var(--shade);
}
:host([left]) .panel { right: auto; left: max(20px, env(safe-area-inset-left)); }
:host([inline]) .panel {
  position: static; width: auto; height: 100%; box-shadow: none; animation: none;
}

h2, h3, p, ol, ul, blockquote, pre { margin: 0; padding: 0; font-size: 1em; }
ol[role] { list-style: none; }
svg {
  flex: none; width: 1.25em; height: 1.25em; fill: none; stroke: currentColor; stroke-width: 2;
  stroke-linecap: round; stroke-linejoin: round;
}
:where(button, input, textarea) {
  margin: 0; padding: .6em .8em; border: 1px solid transparent; border-radius: 14px;
  background: none; font: inherit; color: inherit;
}
button {
  display: flex; align-items: center; justify-content: center; gap: .5em; min-height: 2.75em;
  cursor: pointer;
}
@media (hover: hover) { :where(button:hover:enabled) { background: var(--raised); } }
input, textarea {
  display: block; width: 100%; border-color: var(--edge); background: var(--surface); resize: none;
}
::placeholder { color: var(--soft); opacity: 1; }
a { color: inherit; }
:focus-visible {
  outline: 2px solid var(--ink); outline-offset: 2px; box-shadow: 0 0 0 2px var(--surface);
}
.panel:focus-visible, .log:focus-visible { outline-offset: -4px; box-shadow: none; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
small, .small, .told, .count, .presence, .day, .under, .badge, time {
  font-size: .8125em; color: var(--soft);
}
.notice, .disclosure, .note, .name, .sources { font-size: .875em; }
.notice, .disclosure, .note, .promise { display: flex; gap: .6em; }
.disclosure, .promise, .trouble {
  padding: .7em .9em; border: 1px solid transparent; border-radius: 14px; background: var(--raised);
}

header {
  position: relative; z-index: 2; flex: none; display: flex; align-items: center;
  padding: .75em .5em .75em 1em; background: var(--surface);
  border-bottom: 1px solid var(--line); touch-action: none;
}
.disc {
  flex: none; display: grid; place-items: center; width: 2.5em; height: 2.5em; border-radius: 50%;
  background: var(--accent); color: var(--on-accent); font-weight: 600;
  box-shadow: inset 0 0 0 1px #8884; overflow: hidden;
}
.disc:empty { background: var(--raised); }
.small.disc { width: 2em; height: 2em; color: var(--on-accent); }
.titles { flex: 1; min-width: 0; padding-inline: .75em; line-height: 1.3; }
.titles * { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.presence:not(:empty)::before {
  content: ""; display: inline-block; width: .6em; height: .6em; margin-inline-end: .45em;
  border-radius: 50%; background: #2e8b57;
}
.presence.off::before { background: var(--edge); }
.round, .send { flex: none; width: 2.75em; padding: 0; border-radius: 50%; }
.menu {
  position: absolute; top: 100%; right: .75em; padding: .375em; border: 1px solid var(--line);
  border-radius: 20px; background: var(--surface); box-shadow: var(--shade);
}
.menu button { width: 100%; justify-content: start; }

.notices { flex: none; max-height: 30%; overflow: auto; }
.notice { padding: .6em 1.15em; background: var(--raised); }
.notice button { min-height: 1.75em; padding: 0; text-decoration: underline; }
.good { background: var(--good-ground); color: var(--good); }

.talk { position: relative; flex: 1; min-height: 0; display: flex; }
.log { flex: 1; min-width: 0; padding: 1em; overflow: auto; overscroll-behavior: contain; }
.disclosure, .turn, .day, .note { margin-bottom: 1.15em; }
.turn { display: flex; flex-direction: column; align-items: start; }
.who { display: flex; align-items: center; gap: .5em; margin-bottom: .3em; }
.name { font-weight: 600; }
.badge {
  display: flex; align-items: center; gap: .3em; padding-inline: .6em; border-radius: 14px;
  background: var(--good-ground); color: var(--good);
}
.person .disc { background: var(--good); color: var(--surface); }
.bubble {
  max-width: 94%; padding: .65em .95em; border: 1px solid var(--line);
  border-radius: 6px 20px 20px; background: var(--surface); text-wrap: pretty;
}
.mine { align-items: end; margin-bottom: .35em; }
.mine .bubble {
  max-width: 86%; border-color: #8884; border-radius: 20px 20px 6px;
  background: var(--accent); color: var(--on-accent); white-space: pre-wrap;
}
.person .bubble { border-color: var(--good); }
.wordless .bubble { display: none; }
.under { display: flex; gap: .6em; min-height: 1.5em; }
.under time { font-size: 1em; opacity: 0; }
.turn:hover time, .turn:focus-within time { opacity: 1; }
.day { display: flex; align-items: center; gap: .75em; }
.day::before, .day::after { content: ""; flex: 1; border-top: 1px solid var(--line); }
.day span::first-letter { text-transform: uppercase; }

.words > * + *, .words + .typing:not(:empty), li > ul, li > ol { margin-top: .5em; }
.words:empty + .typing { margin: 0; }
.words ul, .words ol, .sources ol { padding-inline-start: 1.4em; }
blockquote { padding-inline-start: .75em; border-inline-start: 3px solid var(--line); }
code, pre { font-family: ui-monospace, monospace; font-size: .9em; background: var(--raised); }
code { padding: .1em .3em; border-radius: 6px; }
pre { padding: .7em; border-radius: 14px; overflow: auto; }
pre code { padding: 0; overflow-wrap: normal; }
sup { font-size: .75em; line-height: 1; }
sup button {
  display: inline; min-height: 0; padding: .2em .5em; border-radius: 6px; background: var(--raised);
}
.typing { display: flex; align-items: center; gap: .6em; color: var(--soft); }
.dots { display: flex; gap: .25em; }
.dots i { width: .4em; height: .4em; border-radius: 50%; background: currentColor; }

.below { max-width: 100%; }
.sources { padding: .6em .25em 0; }
.sources li { padding-block: .2em; }
.sources a { display: block; text-decoration: none; }
.sources a span { text-decoration: underline; }
.sources small { display: block; font-size: .93em; }
.actions { display: flex; flex-wrap: wrap; align-items: center; margin-bottom: -.4em; }
.actions button { min-height: 2.25em; width: 2.25em; padding: 0; }
.round, .actions button { color: var(--soft); }
.actions svg { width: 1.1em; }
[aria-pressed] + [aria-pressed] svg { rotate: 180deg; }
[aria-pressed=true] { background: var(--raised); border-color: var(--edge); }
.told, .actions time { margin-inline-start: .5em; }
.trouble {
  display: grid; gap: .5em .6em; grid-template-columns: auto 1fr; margin-top: .5em;
  border-color: var(--line);
}
.trouble > * { grid-column: 2; justify-self: start; }
.trouble > svg { grid-column: 1; }
.bad { background: var(--bad-ground); color: var(--bad); border-color: currentColor; }
.bad .small { color: inherit; }

.pill {
  position: absolute; bottom: .75em; left: 50%; translate: -50%; white-space: nowrap;
  border-color: var(--edge); background: var(--surface); box-shadow: var(--shade);
}

footer {
  flex: none; padding: .75em .75em max(.25em, env(safe-area-inset-bottom));
  background: var(--surface); border-top: 1px solid var(--line);
}
.field {
  display: flex; align-items: end; gap: .25em; padding: .25em; border: 1px solid var(--edge);
  border-radius: 20px; cursor: text;
}
.field:focus-within { border-color: var(--ink); box-shadow: 0 0 0 1px var(--ink); }
.field textarea {
  max-height: 8.7em; padding: .55em .25em .55em .7em; border: 0; background: none;
  outline: none; box-shadow: none;
}
.send, .first {
  background: var(--accent); color: var(--on-accent); border-color: #8884;
}
.send[aria-disabled=true] { background: var(--raised); color: var(--soft); cursor: default; }
.count { padding: .35em .8em 0; text-align: end; }
.count:empty, .error:empty, .typing:empty { display: none; }
.over, .error { color: var(--bad); font-weight: 600; }
.ask { width: 100%; min-height: 3em; font-weight: 600; }
button:disabled { opacity: .6; }

.veil {
  position: absolute; inset: 0; z-index: 3; display: flex; align-items: end; background: #1a140e80;
}
.sheet {
  display: grid; gap: .75em; width: 100%; max-height: 100%; padding: 1.25em; overflow: auto;
  overscroll-behavior: contain; border-radius: 20px 20px 0 0; background: var(--surface);
}
.sheet header { padding: 0; border: 0; }
.sheet h2 { flex: 1; font-size: 1.2em; line-height: 1.3; outline: none; box-shadow: none; }
label { font-weight: 600; }
[aria-invalid=true] { border: 2px solid var(--bad); }
.first { font-weight: 600; }
.second { border-color: var(--edge); background: var(--surface); color: var(--ink); }
.done { background: var(--good-ground); color: var(--good); }
.closed { display: grid; justify-items: center; gap: .75em; padding: 3em 1em; text-align: center; }
.skeleton { display: grid; gap: 1em; }
.skeleton i { height: 4em; width: 82%; border-radius: 14px; background: var(--raised); }

@media (prefers-color-scheme: dark) {
  .panel {
    --ground: #1a1816; --surface: #242120; --raised: #33302c; --line: #3f3a35; --edge: #978d82;
    --ink: #f4efe8; --soft: #bdb3a7;
    --bad: #ffb4a6; --bad-ground: #3a201b; --good: #94dbb0; --good-ground: #1c3326;
    color-scheme: dark;
  }
}
@media (max-width: 767.98px), (max-height: 480px) {
  :host(:not([inline])) .panel {
    inset: var(--top, 0) 0 auto; width: 100%; height: var(--height, 100dvh); border: 0;
    border-radius: 0; padding: env(safe-area-inset-top) env(safe-area-inset-right) 0
    env(safe-area-inset-left);
  }
}
@media (max-height: 480px) {
  header { padding-block: 0; }
  .notice { padding-block: .2em; }
  header > .disc, .presence { display: none; }
  footer { padding-block: .375em 0; }
  .ask { min-height: 2em; padding-block: 0; }
  .field textarea { max-height: 4.1em; }
}
@media (pointer: coarse) { .actions button { min-height: 2.75em; width: 2.75em; } }
@media (hover: none) { .under time { opacity: 1; } }
@media (prefers-reduced-motion: no-preference) {
  .panel, .turn, .sheet { animation: rise .2s ease-out; }
  .dots i, .skeleton i { animation: breathe 1.4s infinite; }
  .dots i:nth-child(2) { animation-delay: .2s; }
  .dots i:nth-child(3) { animation-delay: .4s; }
  button { transition: background-color .15s; }
}
@keyframes rise { from { opacity: 0; transform: translateY(12px); } }
@keyframes breathe { 50% { opacity: .35; } }
@media (forced-colors: active) {
  .disclosure, .promise, .trouble, .disc, .pill { border-color: currentColor; }
  .mine .bubble, [aria-pressed=true] { border-width: 2px; }
  .disc, .presence::before { forced-color-adjust: none; }
  .dots i { background: CanvasText; }
  .field:focus-within { outline: 2px solid Highlight; }
}
`);
