import { Announcer, Bubbles, download, transcript } from "./bubbles.js";
import { button, element, icon, initial } from "./elements.js";
import { Exchange } from "./exchange.js";
import { Composer, HandoffForm, trimmed } from "./forms.js";
import { LOOK, holdPage, paint, releasePage } from "./style.js";
import { textsIn } from "./texts.js";
import { Transport } from "./transport.js";

const UNANSWERED_POLL_MS = 2000;
const MOST_POLLS = 5;
const PERSON_POLL_MS = 20_000;
const LATE_HISTORY_MS = 5000;
const MESSAGE_CHARS = 2000;
const TABBABLE = "button, a, input, textarea, [tabindex='0']";

/**
 * Draws the panel in `root`, hidden, and gives `{show, hide, send, identify, reset, destroy}`.
 * Options: `root`, `base`, `key`, `language`, `color` (hexadecimal), `position`, `inline`, `user`,
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
  #user = null;
  #drawn = new Set();
  #unanswered = null;
  #hasBegun = false;
  #isKnown = false;
  #isReachable = false;
  #isHanded = false;
  #isStale = false;
  #polls;

  constructor(options) {
    this.#options = options;
    const { base, key, language, root, user } = options;
    const t = (this.#t = textsIn(language));
    this.#transport = new Transport({ base, key, language });
    this.#transport.onchange = (what) => this.#changedElsewhere(what);
    this.#announcer = new Announcer(language);
    this.#bubbles = new Bubbles({
      language,
      t,
      hosts: () => this.#config?.link_hosts ?? [],
      announce: (text) => this.#announcer.say(text),
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

  /** Shows the panel; the first time, asks the server for what it needs. */
  show({ focus = true } = {}) {
    const { inline } = this.#options;
    this.#panel.hidden = false;
    if (focus && !inline) this.#panel.setAttribute("aria-modal", "true");
    else this.#panel.removeAttribute("aria-modal");
    if (!inline) holdPage();
    this.#fit();
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
    this.#clear();
  }

  /** Leaves nothing behind. */
  destroy() {
    this.hide();
    clearTimeout(this.#polls);
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
      onhandoff: () => this.#handed(),
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
      { class: "panel", role: inline ? "region" : "dialog", "aria-labelledby": "title",
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
    const title = element("h2", { id: "title" }, t.title(""));
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
    const header = element("header", {}, disc, who, more, close, menu);
    this.#parts = { header, disc, title, presence, menu, more };
    return header;
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
    const footer = element("footer", {}, this.#composer.box, person);
    Object.assign(this.#parts, { person, footer });
    return footer;
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

  async #begin() {
    this.#hasBegun = true;
    this.#transport.begin();
    const history = this.#transport.history().catch((error) => error);
    const { config } = this.#options;
    const read = async (response) => {
      if (!response.ok) throw new Error(String(response.status));
      return response.json();
    };
    await this.#configure(config ? config.then(read) : this.#transport.config(), history);
  }

  async #configure(asked, history) {
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
    if (this.#hasFocus()) this.#composer.focus();
    await this.#recall(history);
  }

  #unreachable() {
    const t = this.#t;
    const trouble = element(
      "div",
      { class: "closed" },
      icon("alert"),
      element("h3", {}, t.closedTitle),
      element("p", {}, t.closedText),
      button({ class: "first", onclick: () => {
        trouble.remove();
        this.#panel.focus();
        this.#configure(this.#transport.config(), this.#transport.history().catch((error) => error));
      } }, "again", t.retry),
    );
    this.#bubbles.top.prepend(trouble);
    this.#announcer.say(`${t.closedTitle}. ${t.closedText}`);
    this.#options.emit("error", { code: "widget_unreachable", message: t.closedTitle });
  }

  #introduce() {
    const { company, disclosure, greeting } = this.#config;
    this.#parts.title.textContent = company;
    this.#panel.removeAttribute("aria-labelledby");
    this.#panel.setAttribute("aria-label", this.#t.title(company));
    this.#presented(this.#name);
    this.#colour();
    this.#connected();
    const told = element("p", { class: "disclosure" }, icon("info"), element("span", {}, disclosure));
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
    if (Array.isArray(items)) this.#bubbles.before(() => this.#merge(items));
    else this.#bubbles.before(() => this.#bubbles.note(this.#t.noHistory, "alert"));
    this.#exchange.open();
    if (this.#isReachable) this.#bubbles.toEnd();
    this.#pollUnanswered();
  }

  #merge(items, isNews = false) {
    for (const [index, item] of items.entries()) {
      const { author, turn_id: turn, id } = item;
      const name = author !== "person" && turn ? `${author} ${turn}` : id;
      if (this.#drawn.has(name) || this.#exchange.knows(turn, author)) continue;
      this.#drawn.add(name);
      const bubble = this.#drawItem(item, items[index - 1]);
      if (isNews && author !== "customer") {
        this.#announcer.say(this.#t.says(bubble.author) + item.text);
      }
    }
    this.#isReachable ||= items.length > 0;
    const last = items.at(-1);
    this.#unanswered = last?.author === "customer" ? last : null;
  }

  #drawItem({ author, text, timestamp, name, turn_id, outcome, feedback, sources }, before) {
    const at = new Date(timestamp);
    if (author === "customer") return this.#bubbles.customer(text, at);
    if (author === "person") return this.#bubbles.person(name || this.#t.team, text, at);
    const bubble = this.#bubbles.answer(name || this.#name, at);
    bubble.show(text, sources ?? []);
    bubble.offer(turn_id, feedback);
    if (outcome === "interrupted" && before) this.#exchange.offerAgain(bubble, before.text);
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
    const items = await this.#transport.history().catch(() => null);
    const isSame = this.#transport.conversation.conversationId === conversationId;
    if (!items || !isSame || this.#life.signal.aborted) return;
    if (this.#exchange.isIdle) this.#merge(items, true);
    else this.#isStale = true;
  }

  /** A page that was left while its answer was written finds it in the history, later. */
  #pollUnanswered() {
    if (!this.#unanswered || !this.#exchange.isIdle) return;
    const question = this.#unanswered;
    let attempt = 0;
    const bubble = this.#bubbles.answer(this.#name);
    bubble.wait(this.#t.thinking);
    const poll = async () => {
      await this.#update();
      if (!this.#unanswered || !this.#exchange.isIdle) bubble.remove();
      else wait();
    };
    const wait = () => {
      if (question.outcome !== "failed" && attempt++ < MOST_POLLS) {
        this.#later(poll, UNANSWERED_POLL_MS * attempt);
      } else this.#exchange.offerAgain(bubble, question.text, this.#t.unanswered);
    };
    wait();
  }

  #pollPerson() {
    this.#later(async () => {
      if (!document.hidden && !this.#panel.hidden && this.#exchange.isIdle) await this.#update();
      if (this.#isHanded) this.#pollPerson();
    }, PERSON_POLL_MS);
  }

  #later(fn, ms) {
    clearTimeout(this.#polls);
    if (!this.#life.signal.aborted) this.#polls = setTimeout(fn, ms);
  }

  #clear() {
    clearTimeout(this.#polls);
    this.#exchange.stop();
    this.#bubbles.clear();
    this.#drawn.clear();
    this.#unanswered = null;
    this.#isReachable = this.#isHanded = this.#isKnown = this.#isStale = false;
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
      this.#handed();
      this.#options.emit("handoff", { id });
    } catch (error) {
      if (!form.isConnected) this.#bubbles.note(this.#t.failed, "alert");
      throw error;
    }
  }

  #handed() {
    if (this.#isHanded) return;
    this.#isHanded = true;
    const { handed } = this.#parts;
    const promise = this.#config.reply_promise;
    const words = element("span", {}, element("strong", {}, this.#t.handed), promise && ` · ${promise}`);
    handed.replaceChildren(icon("check"), words);
    handed.hidden = false;
    this.#announcer.say(words.textContent);
    this.#bubbles.follow();
    this.#pollPerson();
  }

  #toggleMenu(isOpen = this.#parts.menu.hidden) {
    const { menu, more } = this.#parts;
    if (menu.hidden === !isOpen) return;
    menu.hidden = !isOpen;
    more.ariaExpanded = String(isOpen);
    if (isOpen) menu.firstChild.focus();
  }

  #saved() {
    const { language } = this.#options;
    const company = this.#config?.company ?? "";
    const day = new Date();
    const disclosure = this.#config?.disclosure;
    const text = transcript({ t: this.#t, language, company, day, disclosure },
      this.#bubbles.entries);
    download(text, company, day);
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
    if (event.key !== "Escape" || event.isComposing || event.keyCode === 229) return undefined;
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

  #hasFocus() {
    return this.#place.shadowRoot.activeElement === this.#panel;
  }

  #focus() {
    if (this.#composer.isOpen && !this.#veil) this.#composer.focus();
    else if (!this.#veil) this.#panel.focus();
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
    const { color, position, root } = this.#options;
    const side = position ?? this.#config?.position;
    const isLeft = side ? side === "left" : getComputedStyle(root.host).direction === "rtl";
    this.#place.toggleAttribute("left", isLeft);
    this.#place.shadowRoot.adoptedStyleSheets = [LOOK, paint(color ?? this.#config?.color)];
  }

  #presented(name) {
    this.#parts.disc.textContent = initial(name);
    this.#parts.name = name;
    this.#connected();
  }

  #connected() {
    const { presence, name, offline } = this.#parts;
    const isOnline = navigator.onLine !== false;
    offline.hidden = isOnline;
    presence.classList.toggle("off", !isOnline);
    presence.textContent = isOnline
      ? [name, this.#config && this.#t.assistant].filter(Boolean).join(" · ")
      : this.#t.offline;
    if (!isOnline && !this.#panel.hidden) this.#announcer.say(this.#t.offlineNote);
  }
}

function isTabbable(one) {
  return !one.disabled && one.tabIndex >= 0 && !one.closest("[inert]") && one.getClientRects().length;
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
