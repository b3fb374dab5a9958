/** How the panel looks. Sizes follow the reader's text size, whatever the page's is. */
export const LOOK = new CSSStyleSheet();

/** The tenant's colour (hexadecimal, else ours), and what can be read on it. */
export function paint(color) {
  const accent = HEX.test(color ?? "") ? color : LADYBIRD;
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`.panel { --accent: ${accent}; --on-accent: ${inkOn(accent)}; }`);
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

const HEX = /^#([\da-f]{3}){1,2}$/i;
const LADYBIRD = "#b3261e";
const HELD = new CSSStyleSheet();

/** White where it reaches 4.5:1, else black, which then reaches 4.6:1 (WCAG 2.2, 1.4.3). */
function inkOn(hex) {
  const digits = hex.length < 5 ? hex.replace(/\w/g, "$&$&") : hex;
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const part = parseInt(digits.slice(at, at + 2), 16) / 255;
    return part > 0.04045 ? ((part + 0.055) / 1.055) ** 2.4 : part / 12.92;
  });
  const luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  return luminance > 1.05 / 4.5 - 0.05 ? "#000" : "#fff";
}

HELD.replaceSync(`
@media (max-width: 767.98px), (max-height: 480px) { html { overflow: hidden !important; } }`);

LOOK.replaceSync(`
:host { all: initial; }
:host([inline]) { display: block; height: 100%; }

.panel {
  --ground: #faf7f2; --surface: #fff; --raised: #f2ece3; --line: #e6ded2; --edge: #857b6e;
  --ink: #24201b; --soft: #635a4f;
  --bad: #98261b; --bad-ground: #fdf0ed; --good: #1d5f3a; --good-ground: #eaf5ee;
  position: fixed; right: max(20px, env(safe-area-inset-right)); bottom: calc(max(20px, env(safe-area-inset-bottom)) + 76px);
  display: flex; flex-direction: column; box-sizing: border-box; overflow: clip;
  width: 25em; height: min(37.5em, 100vh - 116px); height: min(37.5em, 100dvh - 116px);
  border: 1px solid var(--line); border-radius: 20px; background: var(--ground); color: var(--ink);
  font: medium/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; text-align: start;
  -webkit-text-size-adjust: 100%; overflow-wrap: anywhere; color-scheme: light;
  box-shadow: 0 2px 6px #2a1f1414, 0 16px 48px #2a1f1433;
}
:host([left]) .panel { right: auto; left: max(20px, env(safe-area-inset-left)); }
:host([inline]) .panel {
  position: static; width: 100%; height: 100%; box-shadow: none; border-radius: 16px;
}
[hidden] { display: none !important; }

*, ::before, ::after { box-sizing: border-box; }
h2, h3, p, ol, ul, blockquote, pre { margin: 0; padding: 0; font-size: 1em; }
ol[role] { list-style: none; }
svg {
  flex: none; width: 1.25em; height: 1.25em; fill: none; stroke: currentColor; stroke-width: 2;
  stroke-linecap: round; stroke-linejoin: round;
}
button, input, textarea { font: inherit; color: inherit; margin: 0; }
button {
  display: inline-flex; align-items: center; justify-content: center; gap: .5em; min-height: 2.75em;
  padding: .25em 1em; border: 1px solid transparent; border-radius: 12px; background: none;
  cursor: pointer; touch-action: manipulation; -webkit-tap-highlight-color: transparent;
}
button:disabled { cursor: default; }
a { color: inherit; text-underline-offset: .15em; }
:focus { outline: none; }
:focus-visible {
  outline: 2px solid var(--ink); outline-offset: 2px; box-shadow: 0 0 0 2px var(--surface);
}
.panel:focus-visible { outline-offset: -4px; }
.unseen {
  position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap;
}
.small, small { font-size: .8125em; color: var(--soft); }

header {
  position: relative; z-index: 2; flex: none; display: flex; align-items: center; gap: .25em;
  padding: .75em .5em .75em 1em; background: var(--surface);
  border-bottom: 1px solid var(--line); touch-action: none;
}
.disc {
  flex: none; display: grid; place-items: center; width: 2.5em; height: 2.5em; border-radius: 50%;
  background: var(--accent); color: var(--on-accent); font-weight: 600;
  box-shadow: inset 0 0 0 1px #8884; overflow: hidden;
}
.disc:empty { background: var(--raised); }
.disc.small { width: 1.75em; height: 1.75em; font-size: .8125em; color: var(--on-accent); }
.titles { flex: 1; min-width: 0; padding-inline: .5em; line-height: 1.3; }
h2 { font-weight: 650; }
.titles h2, .presence { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.presence { font-size: .8125em; color: var(--soft); }
.presence:not(:empty)::before {
  content: ""; display: inline-block; width: .6em; height: .6em; margin-inline-end: .45em;
  border-radius: 50%; background: #2e8b57;
}
.presence.off::before { background: none; box-shadow: inset 0 0 0 2px var(--edge); }
.round { width: 2.75em; padding: 0; border-radius: 50%; color: var(--soft); }
.round:hover, .menu button:hover, .actions button:hover { background: var(--raised); color: var(--ink); }
.menu {
  position: absolute; inset-block-start: calc(100% - .25em); inset-inline-end: .75em; display: grid;
  padding: .375em; border: 1px solid var(--line); border-radius: 16px; background: var(--surface);
  box-shadow: 0 8px 32px #2a1f1433;
}
.menu button { justify-content: start; padding-inline: .75em; text-align: start; }

.notices { flex: none; max-height: 30%; overflow: auto; font-size: .875em; }
.notice {
  display: flex; gap: .6em; padding: .6em 1.15em; background: var(--raised);
  border-bottom: 1px solid var(--line);
}
.notice svg { margin-top: .1em; }
.notice.good { background: var(--good-ground); color: var(--good); }

.talk { position: relative; flex: 1; min-height: 0; display: flex; }
.log {
  flex: 1; min-width: 0; padding: 1em; overflow: auto; overscroll-behavior: contain;
  scrollbar-width: thin; scrollbar-color: var(--line) transparent;
}
.log:focus-visible { outline-offset: -4px; box-shadow: none; }
.disclosure {
  display: flex; gap: .6em; margin-bottom: 1.15em; padding: .75em .9em; border-radius: 14px;
  background: var(--raised); font-size: .875em; border: 1px solid transparent;
}
.disclosure svg { margin-top: .1em; }
.turn { display: flex; flex-direction: column; align-items: start; margin-bottom: 1.15em; }
.who { display: flex; align-items: center; gap: .5em; margin-bottom: .3em; }
.name { font-size: .875em; font-weight: 600; }
.badge {
  display: inline-flex; align-items: center; gap: .3em; padding: .05em .6em; border-radius: 99px;
  background: var(--good-ground); color: var(--good); font-size: .75em;
}
.person .disc { background: var(--good); color: var(--surface); }
.bubble {
  max-width: 100%; padding: .65em .95em; border: 1px solid var(--line); border-radius: 6px 18px 18px;
  background: var(--surface); text-wrap: pretty;
}
.agent .bubble, .person .bubble { max-width: 94%; }
.mine { align-items: end; margin-bottom: .35em; }
.mine .bubble {
  max-width: 86%; border-color: #8884; border-radius: 18px 18px 6px;
  background: var(--accent); color: var(--on-accent); white-space: pre-wrap;
}
.person .bubble { border-color: var(--good); }
.wordless .bubble { display: none; }
.under { display: flex; gap: .6em; min-height: 1.5em; font-size: .75em; color: var(--soft); }
time { color: var(--soft); }
.actions time { margin-inline-start: .5em; font-size: .75em; }
.under time { opacity: 0; }
.turn:hover time, .turn:focus-within time { opacity: 1; }
.day {
  display: flex; align-items: center; gap: .75em; margin: .25em 0 1.15em; color: var(--soft);
  font-size: .8125em;
}
.day::before, .day::after { content: ""; flex: 1; border-top: 1px solid var(--line); }
.day span::first-letter { text-transform: uppercase; }
.note { display: flex; gap: .6em; margin-bottom: 1.15em; font-size: .875em; color: var(--soft); }

.words > * + * { margin-top: .6em; }
.words ul, .words ol { padding-inline-start: 1.4em; }
.words li + li, .words li > ul, .words li > ol { margin-top: .25em; }
.words li::marker { color: var(--soft); }
.words blockquote { padding-inline-start: .75em; border-inline-start: 3px solid var(--line); }
code, pre { font-family: ui-monospace, Menlo, Consolas, monospace; font-size: .9em; }
code { padding: .1em .3em; border-radius: 5px; background: var(--raised); }
pre { padding: .7em; border-radius: 10px; background: var(--raised); overflow: auto; }
pre code { padding: 0; background: none; overflow-wrap: normal; }
sup { font-size: .75em; line-height: 1; }
sup button {
  min-height: 0; min-width: 1.6em; padding: .2em .3em; border-radius: 6px; background: var(--raised);
  border-color: var(--line); font-weight: 600;
}
.typing { display: flex; align-items: center; gap: .6em; color: var(--soft); font-size: .9375em; }
.typing:empty { display: none; }
.words:not(:empty) + .typing { margin-top: .5em; }
.dots { display: inline-flex; gap: .25em; }
.dots i { width: .4em; height: .4em; border-radius: 50%; background: currentColor; }

.below { max-width: 100%; }
.sources { padding: .6em .25em 0; font-size: .875em; }
.sources ol { padding-inline-start: 1.5em; }
.sources li { padding-block: .2em; }
.sources li::marker { color: var(--soft); font-weight: 600; }
.sources small, .sources a small { display: block; font-size: .875em; line-height: 1.35; }
.sources a { display: block; min-height: 24px; }
.sources a span { text-decoration: underline; }
.sources a { text-decoration: none; }
.sources a:hover small { text-decoration: underline; }
.actions { display: flex; flex-wrap: wrap; align-items: center; gap: .125em; margin: .2em 0 -.4em; }
.actions button { min-height: 2.25em; width: 2.25em; padding: 0; color: var(--soft); border-radius: 10px; }
.actions svg { width: 1.1em; height: 1.1em; }
.actions button[aria-pressed=true] { color: var(--ink); background: var(--raised); border-color: var(--edge); }
.actions button[aria-pressed=true] path { fill: currentColor; fill-opacity: .35; }
.told { font-size: .8125em; padding-inline: .4em; color: var(--soft); }
.trouble {
  margin-top: .5em; padding: .75em .95em; border: 1px solid var(--line); border-radius: 14px;
  background: var(--raised); display: grid; gap: .5em .6em;
  grid-template-columns: auto 1fr; align-items: start; font-size: .9375em;
}
.trouble > * { grid-column: 2; }
.trouble > svg { grid-column: 1; margin-top: .1em; }
.trouble .small { color: inherit; font-size: .8125em; }
.trouble button { justify-self: start; background: var(--surface); color: var(--ink); }
.bad { background: var(--bad-ground); color: var(--bad); border-color: currentColor; }
[role=timer] { font-variant-numeric: tabular-nums; }

.pill {
  position: absolute; inset-block-end: .75em; inset-inline: 0; margin: auto; width: fit-content;
  min-height: 2.5em; border-radius: 99px; background: var(--ink); color: var(--ground);
  box-shadow: 0 4px 16px #2a1f1440; font-size: .875em;
}

footer {
  flex: none; padding: .75em .75em .25em; padding-bottom: max(.25em, env(safe-area-inset-bottom));
  background: var(--surface); border-top: 1px solid var(--line);
}
.field {
  display: flex; align-items: end; gap: .25em; padding: .25em; border: 1px solid var(--edge);
  border-radius: 18px; background: var(--surface); cursor: text;
}
.field:focus-within { border-color: var(--ink); box-shadow: 0 0 0 1px var(--ink); }
textarea, input {
  display: block; width: 100%; border: 1px solid var(--edge); border-radius: 12px; padding: .6em .8em;
  background: var(--surface); resize: none; -webkit-appearance: none; appearance: none;
}
.field textarea {
  flex: 1; min-width: 0; max-height: 8.7em; padding: .55em .25em .55em .7em; border: 0;
  background: none; outline: none; box-shadow: none; scrollbar-width: thin;
}
.field:has(:disabled) { border-color: var(--line); background: var(--ground); }
::placeholder { color: var(--soft); opacity: 1; }
.send {
  flex: none; width: 2.75em; padding: 0; border-radius: 50%; background: var(--accent);
  color: var(--on-accent); border-color: #8884;
}
.send[aria-disabled=true] { background: var(--raised); color: var(--soft); cursor: default; }
.count { font-size: .8125em; color: var(--soft); padding: .35em .8em 0; text-align: end; }
.count:empty { display: none; }
.count.over, .error { color: var(--bad); font-weight: 600; }
.ask { width: 100%; min-height: 3em; font-size: .9375em; font-weight: 550; border-radius: 14px; }
.ask:hover:enabled { background: var(--raised); }
.ask:disabled { opacity: .6; }

.veil {
  position: absolute; inset: 0; z-index: 3; display: flex; align-items: end; background: #1a140e80;
}
.sheet {
  display: grid; gap: .75em; width: 100%; max-height: 100%; padding: 1.25em 1.25em 1em; overflow: auto;
  overscroll-behavior: contain; border-radius: 20px 20px 0 0; background: var(--surface);
}
.sheet header { padding: 0; border: 0; }
.sheet h2 { flex: 1; font-size: 1.1875em; line-height: 1.3; }
.sheet h2:focus { outline: none; box-shadow: none; }
.promise { display: flex; gap: .6em; padding: .7em .9em; border-radius: 14px; background: var(--raised); }
.promise svg { margin-top: .1em; }
.entry label { display: block; margin-bottom: .25em; font-weight: 600; font-size: .9375em; }
.entry .error { padding-top: .35em; font-size: .875em; }
.error:empty { display: none; }
[aria-invalid=true] { border-color: var(--bad); border-width: 2px; }
.first { background: var(--accent); color: var(--on-accent); border-color: #8884; font-weight: 600; }
.second { border-color: var(--edge); background: var(--surface); }
.second:hover { background: var(--raised); }
.disc.done { background: var(--good-ground); color: var(--good); }

.closed { display: grid; justify-items: center; gap: .6em; padding: 3em 1em; text-align: center; }
.closed > svg { width: 2.5em; height: 2.5em; color: var(--soft); }
.closed button { margin-top: .5em; }
.skeleton { display: grid; gap: 1em; }
.skeleton i { height: 4em; width: 82%; border-radius: 14px; background: var(--raised); }
.skeleton i:nth-child(3) { height: 2.75em; width: 60%; }
.skeleton i:nth-child(4) { height: 5.5em; width: 88%; }

@media (prefers-color-scheme: dark) {
  .panel {
    --ground: #1a1816; --surface: #242120; --raised: #33302c; --line: #3f3a35; --edge: #978d82;
    --ink: #f4efe8; --soft: #bdb3a7;
    --bad: #ffb4a6; --bad-ground: #3a201b; --good: #94dbb0; --good-ground: #1c3326;
    color-scheme: dark; box-shadow: 0 16px 48px #0009;
  }
  .veil { background: #000a; }
  .menu { box-shadow: 0 8px 32px #0009; }
}
@media (max-width: 767.98px), (max-height: 480px) {
  :host(:not([inline])) .panel {
    inset: var(--top, 0) 0 auto; width: 100%; height: var(--height, 100dvh); border: 0;
    border-radius: 0; padding-inline: env(safe-area-inset-left) env(safe-area-inset-right);
  }
  :host(:not([inline])) header { padding-top: max(.75em, env(safe-area-inset-top)); }
}
@media (max-height: 480px) {
  :host(:not([inline])) header { padding-block: 0; }
  .titles, .notice { font-size: .875em; padding-block: .2em; }
  header > .disc, .presence, .notice svg { display: none; }
  footer { padding-top: .375em; padding-bottom: 0; }
  .ask { min-height: 2em; padding-block: 0; }
  .field textarea { max-height: 4.1em; }
}
@media (pointer: coarse) { .actions button { min-height: 2.75em; width: 2.75em; } }
@media (hover: none) { .under time { opacity: 1; } }
@media (prefers-reduced-motion: no-preference) {
  :host(:not([inline])) .panel { animation: rise .22s cubic-bezier(.2, .8, .2, 1); }
  .turn, .menu { animation: appear .2s ease-out; }
  .veil { animation: fade .15s; }
  .sheet { animation: rise .25s cubic-bezier(.2, .8, .2, 1); }
  .dots i { animation: breathe 1.4s ease-in-out infinite; }
  .dots i:nth-child(2) { animation-delay: .2s; }
  .dots i:nth-child(3) { animation-delay: .4s; }
  .skeleton i { animation: breathe 1.8s ease-in-out infinite; }
  button { transition: background-color .15s, color .15s; }
}
@keyframes rise { from { opacity: 0; transform: translateY(16px); } }
@keyframes appear { from { opacity: 0; transform: translateY(6px); } }
@keyframes fade { from { opacity: 0; } }
@keyframes breathe { 0%, 100% { opacity: .35; } 50% { opacity: 1; } }
@media (forced-colors: active) {
  .bubble, .panel, .disclosure, .send, .first, .pill, .promise, .trouble, .disc { border: 1px solid; }
  .mine .bubble { border-width: 2px; }
  .actions button[aria-pressed=true] { border: 2px solid Highlight; }
  .disc, .presence::before { forced-color-adjust: none; }
  .dots i { background: CanvasText; }
  .field:focus-within { outline: 2px solid Highlight; }
}
@media print { :host(:not([inline])) { display: none; } }
`);
