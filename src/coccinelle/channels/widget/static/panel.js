import { Announcer, Bubbles } from "./bubbles.js";
import { button, element, icon, initial } from "./elements.js";
import { Exchange } from "./exchange.js";
import { LOOK, holdPage, paint, releasePage } from "./style.js";
import { textsIn } from "./texts.js";
import { Transport } from "./transport.js";

const UNANSWERED_POLL_MS = 3000;
const MOST_POLLS = 8;
const ASKED_POLL_MS = 15_000;
const CLAIMED_POLL_MS = 3000;
const LATE_HISTORY_MS = 5000;
const MOST_AT_ONCE = 30;
const MESSAGE_CHARS = 2000;
const HANDED_OVER = "handed_over";
const NEAR_LIMIT = 0.8;
const KEY_OF_IME = 229;
const EMAIL = /^[^\s@]+@[^\s@.]+(\.[^\s@.]+)+$/;
const MIN_DIGITS = 6;
const TABBABLE = "button, a, input, textarea, [tabindex='0']";

/**
 * Draws the panel in `root`, hidden, and gives `{show, hide, send, identify, reset, destroy}`.
 * Options: `root`, `base`, `key`, `language`, `colours(config)`, `position`, `inline`, `user`,
 * `config` (a promise of the server's answer), `emit(name, detail)`, `onclose()`.
 */
export function mount(options) {
  return new Panel(options);
}

class Panel {
  #options;
  #t;
  #life = new AbortController();
  #place = element("div");
  #panel;
  #parts;
  #veil = null;
  #opener = null;
  #transport;
  #announcer;
  #bubbles;
  #composer;
  #exchange;
  #config = null;
  #who = "";
  #user = null;
  #drawn = new Set();
  #older = [];
  #unanswered = null;
  #hasBegun = false;
  #isKnown = false;
  #isReachable = false;
  #isListening = false;
  #presence = {};
  #last = 0;
  #isStale = false;
  #polls = [];

  constructor(options) {
    this.#options = options;
    const { base, key, language, root, user } = options;
    const t = (this.#t = textsIn(language));
    this.#transport = new Transport({ base, key, language });
    this.#transport.onchange = (what) => this.#changedElsewhere(what);
    this.#transport.onerror = ({ code, message }) => options.emit("error", { code, message });
    this.#announcer = new Announcer(language);
    this.#bubbles = new Bubbles({
      language,
      t,
      hosts: () => this.#config?.link_hosts ?? [],
      announce: (text) => this.#announcer.say(text),
      ontop: () => this.#drawOlder(),
      onfeedback: (turnId, score) => this.#transport.feedback(turnId, score),
    });
    this.#composer = new Composer({
      t,
      announce: (text) => this.#announcer.say(text),
      onsend: (text) => this.#exchange.ask(text),
    });
    this.#exchange = this.#newExchange();
    this.#draw(root);
    this.#listen();
    if (user) this.identify(user);
  }

  /**
   * Shows the panel; the first time, asks the server for what it needs. Nothing is stored before
   * the visitor asked for it or said something.
   */
  show({ focus = true, isAsked } = {}) {
    const { inline } = this.#options;
    this.#panel.hidden = false;
    if (focus && !inline) this.#panel.setAttribute("aria-modal", "true");
    else this.#panel.removeAttribute("aria-modal");
    if (!inline) holdPage();
    this.#fit();
    if (isAsked || this.#transport.isStored) this.#transport.begin();
    if (!this.#hasBegun) this.#begin();
    if (focus) this.#focus();
    this.#bubbles.follow();
  }

  hide() {
    this.#panel.hidden = true;
    releasePage();
  }

  /** Says something for the visitor, once the disclosure can be seen. */
  send(text) {
    const said = trimmed(String(text ?? ""));
    if (said) this.#exchange.ask(said);
  }

  /** Tells who the visitor is; null: nobody. */
  identify(user) {
    this.#user = user ?? null;
    this.#transport.identify(this.#user);
  }

  /** Begins another conversation, without asking. */
  reset() {
    this.#transport.reset();
    this.#lower();
    this.#composer.clear();
    this.#clear();
  }

  /** Leaves nothing behind. */
  destroy() {
    this.hide();
    this.#polls.forEach(clearTimeout);
    this.#life.abort();
    this.#exchange.stop();
    this.#bubbles.destroy();
    this.#transport.onchange = null;
    this.#transport.close();
    this.#place.remove();
  }

  get #name() {
    return String(this.#config.agent?.name || this.#config.company);
  }

  #newExchange() {
    return new Exchange({
      transport: this.#transport,
      bubbles: this.#bubbles,
      announcer: this.#announcer,
      t: this.#t,
      name: () => this.#name,
      emit: this.#options.emit,
      onagent: (name) => this.#presented(name),
      onanswer: () => (this.#isReachable = true),
      isSilent: () => this.#presence.state === "claimed",
      onhandoff: () => {
        this.#isStale = true;
        if (!this.#presence.state) this.#attended({ state: "open" });
      },
      onidle: () => this.#isStale && this.#update(),
    });
  }

  #draw(root) {
    const { inline } = this.#options;
    const shadow = this.#place.attachShadow({ mode: "open" });
    shadow.adoptedStyleSheets = [LOOK];
    this.#place.toggleAttribute("inline", Boolean(inline));
    this.#panel = element(
      "section",
      { class: "panel", role: inline ? "region" : "dialog", "aria-label": this.#t.title("…"),
        lang: this.#options.language, dir: "ltr", tabindex: "-1", hidden: true },
      this.#header(),
      this.#notices(),
      this.#bubbles.box,
      this.#footer(),
      this.#announcer.region,
    );
    shadow.append(this.#panel);
    this.#colour();
    root.append(this.#place);
  }

  #header() {
    const t = this.#t;
    const disc = element("span", { class: "disc", "aria-hidden": "true" });
    const title = element("h2", {}, t.title("…"));
    const presence = element("p", { class: "presence" });
    const menu = element(
      "div",
      { class: "menu", id: "menu", hidden: true },
      button({ onclick: () => this.#saved() }, "below", t.save),
      button({ onclick: () => this.#askReset() }, "again", t.restart),
    );
    const more = button({ class: "round", "aria-expanded": "false", "aria-controls": "menu",
      onclick: () => this.#toggleMenu() }, "menu", t.menu, false);
    const close = this.#options.inline ? null
      : button({ class: "round", onclick: () => this.#close() }, "close", t.close, false);
    const who = element("div", { class: "titles" }, title, presence);
    this.#parts = { disc, title, presence, menu, more };
    return element("header", {}, disc, who, more, close, menu);
  }

  #notices() {
    const t = this.#t;
    const offline = element("p", { class: "notice", hidden: true }, icon("alert"),
      element("span", {}, t.offlineNote));
    const handed = element("p", { class: "notice good", hidden: true }, icon("check"));
    Object.assign(this.#parts, { offline, handed });
    return element("div", { class: "notices" }, offline, handed);
  }

  #footer() {
    const person = button({ class: "ask", disabled: true, onclick: () => this.#askPerson() },
      "person", this.#t.person);
    this.#parts.person = person;
    return element("footer", {}, this.#composer.box, person);
  }

  #listen() {
    const { signal } = this.#life;
    const online = () => this.#connected();
    window.addEventListener("online", online, { signal });
    window.addEventListener("offline", online, { signal });
    const fit = () => this.#fit();
    window.visualViewport?.addEventListener("resize", fit, { signal });
    window.visualViewport?.addEventListener("scroll", fit, { signal });
    // Shortcuts of the page are not meant for who writes here.
    for (const name of ["keydown", "keyup", "keypress"]) {
      this.#panel.addEventListener(name, (event) => event.stopPropagation());
    }
    this.#panel.addEventListener("keydown", (event) => this.#pressed(event));
    this.#panel.addEventListener("click", ({ target }) => {
      if (!this.#parts.more.contains(target)) this.#toggleMenu(false);
    });
    online();
  }

  #begin() {
    this.#hasBegun = true;
    this.#configure(this.#options.config.then((response) => response.json()));
  }

  async #configure(asked) {
    const { conversation } = this.#transport;
    const history = conversation ? this.#transport.history().catch(() => null) : [];
    const waiting = skeleton(this.#t);
    this.#bubbles.top.prepend(waiting);
    this.#panel.ariaBusy = "true";
    try {
      this.#config = known(await asked);
    } catch {
      if (!this.#life.signal.aborted) this.#unreachable();
      return;
    } finally {
      waiting.remove();
      this.#panel.ariaBusy = "false";
    }
    if (this.#life.signal.aborted) return;
    this.#introduce();
    this.#composer.open(this.#config.message_chars);
    if (this.#place.shadowRoot.activeElement === this.#panel) this.#composer.focus();
    await this.#recall(history);
  }

  #unreachable() {
    const t = this.#t;
    const trouble = element(
      "div",
      { class: "closed" },
      icon("alert"),
      element("h3", {}, t.closedTitle),
      element("p", {}, t.unreachable),
      button({ class: "first", onclick: () => {
        trouble.remove();
        this.#panel.focus();
        this.#configure(this.#transport.config());
      } }, "again", t.retry),
    );
    this.#bubbles.top.prepend(trouble);
    this.#announcer.say(`${t.closedTitle}. ${t.unreachable}`);
    this.#options.emit("error", { code: "widget_unreachable", message: t.closedTitle });
    console.warn("Coccinelle: check the key and its origins.");
  }

  #introduce() {
    const { company, disclosure, greeting } = this.#config;
    this.#parts.title.textContent = company;
    this.#panel.ariaLabel = this.#t.title(company);
    this.#presented(this.#name);
    this.#colour();
    const words = element("span", {}, disclosure);
    const told = element("p", { class: "disclosure" }, icon("info"), words);
    this.#bubbles.top.prepend(told);
    if (greeting) this.#bubbles.greet(this.#name, greeting, told);
    this.#parts.person.disabled = false;
    this.#announcer.say(disclosure);
    if (greeting) this.#announcer.say(greeting);
  }

  /** Messages leave once the history is known, or late. */
  async #recall(history) {
    const late = setTimeout(() => this.#exchange.open(), LATE_HISTORY_MS);
    const items = await history;
    clearTimeout(late);
    if (this.#life.signal.aborted) return;
    this.#older = this.#unseen(items ?? []);
    this.#bubbles.before(() => items || this.#bubbles.note(this.#t.noHistory));
    this.#drawOlder();
    this.#exchange.open();
    this.#attended(this.#transport.presence);
    if (this.#isReachable) this.#bubbles.toEnd();
    this.#pollUnanswered();
  }

  /** Draws the last few of what is not drawn yet, so that no task is long. */
  #drawOlder(count = MOST_AT_ONCE) {
    const items = this.#older.splice(-count);
    if (items[0]) this.#bubbles.before(() => items.forEach((item) => this.#drawItem(item)));
  }

  #merge(items) {
    for (const item of this.#unseen(items)) {
      const bubble = this.#drawItem(item);
      if (item.author !== "customer") this.#announcer.say(this.#t.says(bubble.author) + item.text);
    }
    this.#attended(this.#transport.presence);
  }

  /** What is not known yet: from now on, it is. */
  #unseen(items) {
    const last = items.at(-1);
    if (last) {
      this.#isReachable = true;
      this.#last = last.seq;
      this.#unanswered = last.author === "customer" && last.outcome !== HANDED_OVER ? last : null;
    }
    return items.filter((item, index) => {
      const { author, turn_id: turn, id } = item;
      const name = author !== "person" && turn ? `${author} ${turn}` : id;
      if (this.#drawn.has(name) || this.#exchange.knows(turn, author)) return false;
      item.question = items[index - 1]?.text;
      return this.#drawn.add(name);
    });
  }

  #drawItem({ author, text, timestamp, name, turn_id, outcome, feedback, sources, question }) {
    const at = new Date(timestamp);
    if (author === "customer") {
      const mine = this.#bubbles.customer(text, at);
      if (outcome === HANDED_OVER) mine.say(this.#t.delivered, true);
      return mine;
    }
    const isPerson = author === "person";
    const said = name || (isPerson ? this.#t.team : this.#name);
    const bubble = this.#bubbles.answer(said, at, isPerson);
    bubble.show(text, sources ?? []);
    if (!isPerson) bubble.offer(turn_id, feedback);
    if (outcome === "interrupted" && question) this.#exchange.offerAgain(bubble, question);
    return bubble;
  }

  #changedElsewhere(what) {
    if (!this.#config) return;
    if (what === "conversation" && this.#exchange.isIdle) this.#clear();
    this.#update();
  }

  async #update() {
    this.#isStale = !this.#exchange.isIdle;
    if (this.#isStale) return;
    const { conversationId } = this.#transport.conversation;
    // An answer that is still to come has its place before what is known already.
    const after = this.#unanswered ? 0 : this.#last;
    const items = await this.#transport.history(after).catch(() => null);
    const isSame = this.#transport.conversation.conversationId === conversationId;
    if (!items || !isSame || this.#life.signal.aborted) return;
    if (this.#exchange.isIdle) this.#merge(items);
    else this.#isStale = true;
  }

  /** A page that was left while its answer was written finds it in the history, later. */
  #pollUnanswered() {
    const question = this.#unanswered;
    if (!question || !this.#exchange.isIdle) return;
    const bubble = this.#bubbles.answer(this.#name);
    bubble.wait(this.#t.thinking);
    let left = /^(failed|interr)/.test(question.outcome) ? 0 : MOST_POLLS;
    const poll = async () => {
      await this.#update();
      if (!this.#unanswered || !this.#exchange.isIdle) bubble.remove();
      else if (left--) this.#later(poll, UNANSWERED_POLL_MS);
      else this.#exchange.offerAgain(bubble, question.text);
    };
    poll();
  }

  #pollPerson() {
    this.#isListening = true;
    this.#later(async () => {
      if (!document.hidden && !this.#panel.hidden && this.#exchange.isIdle) await this.#update();
      this.#isListening = false;
      if (this.#presence.state) this.#pollPerson();
    }, this.#presence.state === "claimed" ? CLAIMED_POLL_MS : ASKED_POLL_MS);
  }

  #later(fn, ms) {
    if (!this.#life.signal.aborted) this.#polls.push(setTimeout(fn, ms));
  }

  #clear() {
    this.#polls.forEach(clearTimeout);
    this.#exchange.stop();
    this.#bubbles.clear();
    this.#drawn.clear();
    this.#older = [];
    this.#unanswered = null;
    this.#isReachable = this.#isKnown = this.#isStale = this.#isListening = false;
    this.#last = 0;
    this.#presence = {};
    if (this.#config) this.#presented(this.#name);
    this.#parts.handed.hidden = true;
  }

  #askPerson() {
    const form = new HandoffForm({
      t: this.#t,
      promise: this.#config.reply_promise,
      email: this.#user?.email,
      isKnown: this.#isKnown,
      onsubmit: (contact) => this.#handOver(contact, form),
      onback: () => this.#lower(),
    });
    this.#raise(form.form);
    form.focus();
  }

  async #handOver(contact, { form }) {
    try {
      if (!this.#isReachable && !(await this.#exchange.ask(this.#t.askPerson))) {
        throw Object.assign(new Error(), { code: "network" });
      }
      const { id } = await this.#transport.handoff(contact);
      this.#isKnown ||= Boolean(contact.email || contact.phone);
      this.#attended({ state: "open" });
      this.#options.emit("handoff", { id });
    } catch (error) {
      if (!form.isConnected) this.#bubbles.note(this.#t.failed);
      throw error;
    }
  }

  /** Says that a person was asked for, has come, or has left. */
  #attended({ state = null, name }) {
    const t = this.#t;
    const { handed } = this.#parts;
    const { company, reply_promise: promise } = this.#config;
    const before = this.#presence;
    const isClaimed = state === "claimed";
    const who = name || t.team;
    if (!state && !before.state) return;
    this.#presence = { state, name };
    const [head, rest] = isClaimed ? [t.answers(who), company] : state ? [t.handed, promise]
      : [t.resumes];
    const words = element("span", {}, element("strong", {}, head), rest && ` · ${rest}`);
    const ask = state && !isClaimed && !this.#isKnown
      && button({ onclick: () => this.#askPerson() }, null, t.leaveContact);
    handed.replaceChildren(icon(isClaimed ? "person" : "check"), element("span", {}, words, ask));
    handed.hidden = !state && before.state === "open";
    if (state === before.state && name === before.name) return;
    if (isClaimed) this.#presented(who, t.isPerson);
    else if (!state) this.#presented(this.#name);
    if (!handed.hidden) this.#announcer.say(words.textContent);
    this.#bubbles.follow();
    if (!this.#isListening) this.#pollPerson();
  }

  #toggleMenu(isOpen = this.#parts.menu.hidden) {
    const { menu, more } = this.#parts;
    if (menu.hidden === !isOpen) return;
    menu.hidden = !isOpen;
    more.ariaExpanded = String(isOpen);
    if (isOpen) menu.firstChild.focus();
  }

  #saved() {
    const { company, disclosure } = this.#config ?? {};
    this.#drawOlder(this.#older.length);
    this.#bubbles.save(String(company), disclosure);
    this.#parts.more.focus();
  }

  #askReset() {
    const t = this.#t;
    const cancel = button({ class: "second", onclick: () => this.#lower() }, null, t.cancel);
    this.#raise(element(
      "div",
      { class: "sheet", role: "alertdialog", "aria-labelledby": "sheet-title",
        "aria-describedby": "sheet-text" },
      element("h2", { id: "sheet-title" }, t.restartTitle),
      element("p", { id: "sheet-text" }, t.restartText),
      button({ class: "second", onclick: () => this.#saved() }, "below", t.save),
      button({ class: "first", onclick: () => {
        this.#lower();
        this.reset();
        this.#composer.focus();
      } }, null, t.restartYes),
      cancel,
    ), this.#parts.more);
    cancel.focus();
  }

  #raise(shown, opener = this.#place.shadowRoot.activeElement) {
    this.#toggleMenu(false);
    this.#opener = opener;
    for (const part of this.#panel.children) part.inert = part !== this.#announcer.region;
    this.#veil = element("div", { class: "veil" }, shown);
    this.#panel.append(this.#veil);
  }

  #lower() {
    this.#veil?.remove();
    this.#veil = null;
    for (const part of this.#panel.children) part.inert = false;
    this.#opener?.focus();
  }

  #close() {
    this.hide();
    this.#options.onclose();
  }

  #pressed(event) {
    if (event.key === "Tab") return this.#trap(event);
    if (event.key !== "Escape" || isComposing(event)) return undefined;
    if (this.#veil) return this.#lower();
    if (!this.#parts.menu.hidden) {
      this.#toggleMenu(false);
      return this.#parts.more.focus();
    }
    return this.#options.inline ? undefined : this.#close();
  }

  #trap(event) {
    if (!this.#panel.ariaModal) return;
    const all = [...this.#panel.querySelectorAll(TABBABLE)].filter(isTabbable);
    const [first, last] = [all[0], all.at(-1)];
    const active = this.#place.shadowRoot.activeElement;
    const edge = event.shiftKey ? [first, this.#panel] : [last];
    if (!edge.includes(active)) return;
    event.preventDefault();
    (event.shiftKey ? last : first).focus();
  }

  #focus() {
    const form = this.#veil?.querySelector(TABBABLE);
    (form ?? (this.#composer.isOpen ? this.#composer : this.#panel)).focus();
  }

  /** On phones the keyboard covers the page without making it smaller. */
  #fit() {
    const view = window.visualViewport;
    if (!view || this.#panel.hidden) return;
    const isZoomed = view.scale > 1.01;
    this.#panel.style.setProperty("--height", isZoomed ? "100dvh" : `${view.height}px`);
    this.#panel.style.setProperty("--top", isZoomed ? "0px" : `${view.offsetTop}px`);
  }

  #colour() {
    const { colours, position, root } = this.#options;
    const side = position ?? this.#config?.position;
    const isLeft = side ? side === "left" : getComputedStyle(root.host).direction === "rtl";
    this.#place.toggleAttribute("left", isLeft);
    this.#place.shadowRoot.adoptedStyleSheets = [LOOK, paint(colours(this.#config))];
  }

  #presented(name, kind = this.#t.assistant) {
    this.#parts.disc.textContent = initial(name);
    this.#who = name && `${name} · ${kind}`;
    this.#connected();
  }

  #connected() {
    const { presence, offline } = this.#parts;
    const isOnline = navigator.onLine !== false;
    offline.hidden = isOnline;
    presence.classList.toggle("off", !isOnline);
    presence.textContent = isOnline ? this.#who : this.#t.offline;
    if (!isOnline && !this.#panel.hidden) this.#announcer.say(this.#t.offlineNote);
  }
}

function isComposing({ isComposing: isSaid, keyCode }) {
  return isSaid || keyCode === KEY_OF_IME;
}

function isTabbable(one) {
  return !one.disabled && !one.closest("[inert]") && one.getClientRects().length;
}

function skeleton(t) {
  const lines = [1, 2, 3].map(() => element("i"));
  return element("div", { class: "skeleton" }, element("span", { class: "unseen" }, t.loading),
    ...lines);
}

/** What the server said, if it holds what we count on. */
function known(config) {
  if (!config.disclosure) throw new Error("no disclosure");
  const hosts = [config.link_hosts].flat().filter((host) => host && typeof host === "string");
  const { message_chars: chars } = config;
  return { ...config, link_hosts: hosts, message_chars: chars > 0 ? chars : MESSAGE_CHARS };
}

/**
 * Where the visitor writes: `onsend(text)` is called with what is not empty nor too long.
 * It accepts nothing until `open(maxChars)`.
 */
class Composer {
  #t;
  #onsend;
  #announce;
  #maxChars = Infinity;
  #isOver = false;
  #input;
  #count = element("p", { class: "count", id: "count" });
  #send;

  constructor({ t, onsend, announce }) {
    this.#t = t;
    this.#onsend = onsend;
    this.#announce = announce;
    this.#input = element("textarea", {
      rows: 1,
      placeholder: t.placeholder,
      "aria-label": t.message,
      "aria-describedby": "count",
      enterkeyhint: "send",
      autocomplete: "off",
      disabled: true,
      oninput: () => this.#changed(),
      onkeydown: (event) => this.#pressed(event),
    });
    this.#send = button({ class: "send", disabled: true, "aria-disabled": "true",
      onclick: () => this.#submit() }, "send", t.send, false);
    const field = element("div", { class: "field", onclick: () => this.#input.focus() },
      this.#input, this.#send);
    this.box = element("div", { class: "composer" }, field, this.#count);
  }

  get isOpen() {
    return !this.#input.disabled;
  }

  open(maxChars) {
    this.#maxChars = maxChars;
    this.#input.disabled = this.#send.disabled = false;
    this.#changed();
  }

  clear() {
    this.#input.value = "";
    this.#changed();
  }

  focus() {
    this.#input.focus();
  }

  #pressed(event) {
    if (event.key !== "Enter" || event.shiftKey || isComposing(event)) return;
    event.preventDefault();
    this.#submit();
  }

  #submit() {
    const text = trimmed(this.#input.value);
    if (!text || this.#isOver || !this.isOpen) return this.#input.focus();
    this.clear();
    this.#input.focus();
    return this.#onsend(text);
  }

  #changed() {
    const text = trimmed(this.#input.value);
    const chars = text.length >= this.#maxChars * NEAR_LIMIT ? Array.from(text).length : 0;
    const left = this.#maxChars - chars;
    const wasOver = this.#isOver;
    this.#isOver = left < 0;
    this.#send.setAttribute("aria-disabled", !text || this.#isOver);
    const isNear = chars >= this.#maxChars * NEAR_LIMIT;
    this.#count.textContent = isNear ? this.#told(left) : "";
    this.#count.classList.toggle("over", this.#isOver);
    this.#input.setAttribute("aria-invalid", this.#isOver);
    if (this.#isOver && !wasOver) this.#announce(this.#told(left));
    this.#grow();
  }

  #told(left) {
    return left < 0 ? this.#t.over(-left) : this.#t.left(left);
  }

  #grow() {
    this.#input.style.height = "auto";
    this.#input.style.height = `${this.#input.scrollHeight}px`;
  }
}

const SPACE = /\p{White_Space}/u;

/** Without the spaces at its ends: those of Unicode, as the server counts. */
function trimmed(text) {
  let start = 0;
  let end = text.length;
  while (start < end && SPACE.test(text[start])) start += 1;
  while (end > start && SPACE.test(text[end - 1])) end -= 1;
  return text.slice(start, end);
}

/**
 * The form that asks for a person. `promise` says when somebody will answer; `isKnown`, that the
 * visitor can be reached already. `onsubmit({email, phone, note})` rejects with a ChatError;
 * `onback()` is called when the visitor changes their mind or has read the confirmation.
 */
class HandoffForm {
  #options;
  #fields;
  #trouble = element("p", { class: "error", id: "handoff-trouble", role: "alert" });
  #submit;
  #title;

  constructor(options) {
    const { t, promise, email } = (this.#options = options);
    this.#title = element("h2", { id: "sheet-title", tabindex: "-1" }, t.person);
    this.#fields = {
      email: field(t.email, "handoff-email", { type: "email", autocomplete: "email",
        inputmode: "email", maxlength: 254, value: email }),
      phone: field(t.phone, "handoff-phone", { type: "tel", autocomplete: "tel", maxlength: 32 }),
      note: field(t.note, "handoff-note", { rows: 2, maxlength: 2000 }, "textarea"),
    };
    const { email: mail, phone, note } = this.#fields;
    this.#submit = element("button", { class: "first", type: "submit" }, t.handOver);
    this.form = element(
      "form",
      { class: "sheet", "aria-labelledby": "sheet-title", novalidate: true,
        onsubmit: (event) => this.#submitted(event) },
      element("header", {}, this.#title,
        button({ class: "round", onclick: options.onback }, "close", t.back, false)),
      element("p", {}, t.personText),
      promise && element("p", { class: "promise" }, icon("info"), element("span", {}, promise)),
      mail.box,
      phone.box,
      note.box,
      this.#trouble,
      this.#submit,
    );
  }

  focus() {
    this.#fields.email.input.focus();
  }

  async #submitted(event) {
    event.preventDefault();
    const contact = this.#contact();
    if (!contact || this.#submit.ariaDisabled === "true") return;
    this.#busy(true);
    try {
      await this.#options.onsubmit(contact);
      this.#done();
    } catch (error) {
      this.#refused(error);
    } finally {
      this.#busy(false);
    }
  }

  /** What was given; null when something about it is wrong, which is then said. */
  #contact() {
    const { t, isKnown } = this.#options;
    const { email, phone, note } = this.#fields;
    const given = [email, phone, note].map(({ input }) => input.value.trim() || undefined);
    const isBadEmail = given[0] && !EMAIL.test(given[0]);
    const isBadPhone = given[1] && given[1].replace(/\D/g, "").length < MIN_DIGITS;
    const isMissing = !given[0] && !given[1] && !isKnown;
    email.complain(isMissing ? t.needContact : isBadEmail && t.badEmail);
    phone.complain(isBadPhone && t.badPhone);
    this.#trouble.textContent = "";
    if (isMissing || isBadEmail || isBadPhone) {
      (isBadPhone && !isBadEmail ? phone : email).input.focus();
      return null;
    }
    return { email: given[0], phone: given[1], note: given[2] };
  }

  #refused({ code }) {
    const { t } = this.#options;
    const { email, phone } = this.#fields;
    if (code === "bad_email") email.complain(t.badEmail);
    else if (code === "bad_phone") phone.complain(t.badPhone);
    else this.#trouble.textContent = code === "network" ? t.unreachable : t.failed;
  }

  #busy(isBusy) {
    this.#submit.ariaDisabled = isBusy;
  }

  #done() {
    const { t, promise, onback } = this.#options;
    this.#title.textContent = t.handed;
    this.form.replaceChildren(
      element("span", { class: "disc done" }, icon("check")),
      this.#title,
      promise && element("p", { class: "promise" }, icon("info"), element("span", {}, promise)),
      button({ class: "first", onclick: onback }, null, t.back),
    );
    this.#title.focus();
  }
}

function field(label, id, attributes, tag = "input") {
  const input = element(tag, { id, "aria-describedby": `${id}-error`, ...attributes });
  const error = element("p", { class: "error", id: `${id}-error` });
  const name = element("label", { for: id }, label);
  const complain = (text) => {
    error.textContent = text || "";
    input.ariaInvalid = Boolean(text);
  };
  return { input, complain, box: element("div", { class: "entry" }, name, input, error) };
}
