import { button, element, icon, initial } from "./elements.js";
import { address, link, Markdown, plain } from "./markdown.js";

const MARGIN_PX = 12;
const NEAR_END_PX = 48;
const NEAR_START_PX = 400;
const MOST_KEPT = 12;

/**
 * What was said, oldest first, in a box that scrolls. It follows what is added for as long as the
 * reader is at its end; else it says that there is something new.
 *
 * Options: `language`, `t` (texts), `announce(text)`, `hosts()` (where links may lead), `ontop()`
 * (the reader is near the beginning), and what answers offer: `onfeedback(turnId, score)`.
 */
export class Bubbles {
  #options;
  #list = element("ol", { class: "bubbles", role: "list" });
  #pill;
  #scroller;
  #isFollowing = true;
  #lastDay = "";
  #before = null;
  #isBulk = false;
  #bubbles = [];
  #size;

  constructor(options) {
    const { t } = (this.#options = options);
    this.#pill = button({ class: "pill", hidden: true, onclick: () => this.toEnd() }, "below",
      t.newMessage);
    this.#scroller = element(
      "div",
      { class: "log", tabindex: "0", role: "region", "aria-label": t.messages,
        onscroll: () => this.#scrolled() },
      this.#list,
    );
    this.box = element("div", { class: "talk" }, this.#scroller, this.#pill);
    this.#size = new ResizeObserver(() => this.follow());
    this.#size.observe(this.#scroller);
  }

  /** Where what comes before the first message goes. */
  get top() {
    return this.#scroller;
  }

  /** Gives the visitor what was said as a text file, named after the company and the day. */
  save(company, disclosure) {
    const { language, t } = this.#options;
    const entries = this.#bubbles.filter(({ item, text }) => item.isConnected && text)
      .sort((one, other) => one.at - other.at)
      .map(({ author, at, text, sources }) => {
        const said = `[${time(at, language)}] ${t.says(author)}${text}`;
        return [said, ...sources.map(sourceLine)].join("\n");
      });
    const day = new Date();
    const text = [`${company}, ${time(day, language)}`, disclosure, ...entries].join("\n\n");
    const slug = company.normalize("NFKD").replace(/\p{M}/gu, "").match(/[a-z0-9]+/gi)?.join("-");
    const name = `conversation-${slug}`.toLowerCase().slice(0, 60);
    download(`${text}\n`, `${name}-${day.toLocaleDateString("sv")}.txt`);
  }

  /** The agent's first words, after the disclosure. */
  greet(name, text, disclosure) {
    const bubble = new AnswerBubble(this.#options, name, new Date(), () => {});
    const box = element("ol", { class: "bubbles", role: "list" }, bubble.item);
    bubble.show(text);
    disclosure.after(box);
  }

  /** Does something whose bubbles go before those that there are. */
  before(fn) {
    const first = this.#list.firstChild;
    const day = this.#lastDay;
    const { scrollHeight, scrollTop } = this.#scroller;
    this.#before = first;
    this.#lastDay = "";
    this.#isBulk = true;
    fn();
    this.#isBulk = false;
    this.#before = null;
    if (first?.dataset.day === this.#lastDay) first.remove();
    this.#lastDay = day || this.#lastDay;
    this.#scroller.scrollTop = scrollTop + this.#scroller.scrollHeight - scrollHeight;
    this.follow();
  }

  /** What the visitor said. */
  customer(text, at = new Date()) {
    this.#day(at);
    const bubble = new CustomerBubble(this.#options, text, at);
    this.#add(bubble.item, bubble);
    return bubble;
  }

  /** What an agent answers, or a person of the business: it begins empty, and is being written. */
  answer(name, at = new Date(), isPerson = false) {
    this.#day(at);
    const bubble = new AnswerBubble(this.#options, name, at, () => this.follow(), isPerson);
    this.#add(bubble.item, bubble);
    return bubble;
  }

  /** What the panel itself has to say. */
  note(text) {
    this.#add(element("li", { class: "note" }, icon("alert"), element("p", {}, text)));
  }

  clear() {
    this.#list.replaceChildren();
    this.#bubbles = [];
    this.#lastDay = "";
    this.#isFollowing = true;
  }

  /** Stays with the last one, from its beginning, if the reader was at the end. */
  follow() {
    if (this.#isBulk || !this.#list.firstChild) return;
    const { lastChild: last } = this.#list;
    const { offsetTop } = last.hidden ? last.previousSibling : last;
    if (this.#isFollowing) this.#scroller.scrollTop = offsetTop - MARGIN_PX;
    this.#pill.hidden = offsetTop < this.#scroller.scrollTop + this.#scroller.clientHeight;
  }

  toEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#isFollowing = true;
    this.#pill.hidden = true;
  }

  destroy() {
    this.#size.disconnect();
  }

  #add(item, bubble) {
    this.#list.insertBefore(item, this.#before);
    if (bubble) this.#bubbles.push(bubble);
    this.follow();
  }

  #isAtEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    return scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
  }

  #scrolled() {
    this.#isFollowing = this.#isAtEnd();
    if (this.#isFollowing) this.#pill.hidden = true;
    if (this.#scroller.scrollTop < NEAR_START_PX) this.#options.ontop();
  }

  #day(at) {
    const { language } = this.#options;
    const key = at.toDateString();
    if (key === this.#lastDay) return;
    this.#lastDay = key;
    const name = dayName(at, language);
    this.#add(element("li", { class: "day", "data-day": key }, element("span", {}, name)));
  }
}

/** What the visitor said, and whether it went out. */
class CustomerBubble {
  sources = [];
  #state = element("span", { class: "state", hidden: true });

  constructor({ language, t }, text, at) {
    this.text = text;
    this.at = at;
    this.item = element(
      "li",
      { class: "turn mine", title: time(at, language) },
      element("span", { class: "unseen" }, t.says(t.you)),
      element("p", { class: "bubble", dir: "auto" }, text),
      element("span", { class: "under" }, this.#state, clock(at, language)),
    );
    this.author = t.you;
  }

  /** Says something about it: that it waits, or who has it; nothing once it went out. */
  say(text, isOut = !text) {
    this.#state.textContent = text;
    this.#state.hidden = !text;
    this.item.classList.toggle("waiting", !isOut);
  }
}

/** An answer: while it is written, when it is whole, or when it could not be had. */
class AnswerBubble {
  #options;
  #onchange;
  #name = element("span", { class: "name" });
  #disc = element("span", { class: "disc small", "aria-hidden": "true" });
  #words = element("div", { class: "words", dir: "auto" });
  #typing = element("div", { class: "typing" });
  #below = element("div", { class: "below" });
  #markdown;
  #text = "";
  #frame = 0;
  #sources;
  #told = element("span", { class: "told" });
  #timer;

  constructor(options, name, at, onchange, isPerson = false) {
    const { language, t } = (this.#options = options);
    this.#onchange = onchange;
    this.at = at;
    this.#markdown = new Markdown(this.#words, {
      hosts: options.hosts(),
      markName: t.source,
      onmark: (number) => this.#toSource(number),
    });
    const who = element("div", { class: "who" }, this.#disc, this.#name);
    if (isPerson) who.append(element("span", { class: "badge" }, icon("person"), t.isPerson));
    const bubble = element("div", { class: "bubble" }, this.#words, this.#typing);
    const kind = `turn ${isPerson ? "person" : "agent"}`;
    const told = { class: kind, title: time(at, language) };
    this.item = element("li", told, who, bubble, this.#below);
    this.by(name);
  }

  get text() {
    return this.#text;
  }

  get sources() {
    return this.#sources ?? [];
  }

  /** Says who answers. */
  by(name) {
    this.author = name;
    this.#name.textContent = name;
    this.#disc.textContent = initial(name);
  }

  /** Says that the answer is being made. */
  wait(text) {
    const dots = element("span", { class: "dots", "aria-hidden": "true" });
    dots.append(...[1, 2, 3].map(() => element("i")));
    this.#typing.replaceChildren(dots, element("span", {}, text));
    this.#below.replaceChildren();
    this.#onchange();
  }

  /** Adds to the answer; it is painted at once, then once a frame. */
  write(text) {
    this.#text += text;
    if (!this.#frame) this.#paint();
  }

  /** Forgets what was written. */
  reset() {
    this.#text = "";
    this.#markdown.write("");
  }

  /** Shows a whole text, with nothing to do about it. */
  show(text, sources = []) {
    this.#stop();
    this.#text = text;
    this.#sources = sources;
    this.#markdown.finish(text, sources.map((source) => source.title));
    this.item.classList.toggle("wordless", !text);
    this.#below.replaceChildren(...this.#sourceList());
    this.#onchange();
  }

  /** Offers to copy the answer and, with a turn, to say what it was worth. */
  offer(turnId, feedback) {
    const { language, t } = this.#options;
    // Pages without https have no clipboard.
    const copy = navigator.clipboard
      && button({ onclick: () => this.#copy() }, "copy", t.copy, false);
    const thumbs = [1, -1].map((score) => {
      const onclick = ({ currentTarget }) => this.#rate(thumbs, currentTarget, turnId, score);
      const attributes = { "aria-pressed": String(feedback === score), onclick };
      return button(attributes, "up", score > 0 ? t.useful : t.useless, false);
    });
    const shown = turnId ? [copy, ...thumbs] : [copy];
    const when = clock(this.at, language);
    this.#below.append(element("div", { class: "actions" }, ...shown, this.#told, when));
    this.#onchange();
  }

  /** Says why the answer is not whole, and what can be done: `{label, onclick}`. */
  complain(text, action, reference, isBad = false) {
    this.#typing.replaceChildren();
    this.item.classList.toggle("wordless", !this.#text);
    const words = element("p", {}, text);
    const act = button({ class: "second", onclick: action.onclick }, "again", action.label);
    const small = reference && element("p", { class: "small" }, reference);
    const kind = `trouble${isBad ? " bad" : ""}`;
    this.#below.append(element("div", { class: kind }, icon("alert"), words, small, act));
    this.#onchange();
    return { words, act };
  }

  /** Counts down, then offers to send again. */
  countDown(text, seconds, action) {
    const { announce, t } = this.#options;
    const { words, act } = this.complain(text, action);
    const rest = element("p", { role: "timer", "aria-live": "off" });
    words.after(rest);
    act.hidden = true;
    const until = Date.now() + seconds * 1000;
    const tick = () => {
      const left = Math.ceil((until - Date.now()) / 1000);
      rest.textContent = left > 0 ? t.resendIn(duration(left)) : t.resendNow;
      this.#timer = left > 0 ? setTimeout(tick, 250) : 0;
      if (left > 0) return;
      act.hidden = false;
      this.#onchange();
      announce(t.resendNow);
    };
    tick();
  }

  /** Takes the complaint back. */
  calm() {
    this.#below.querySelector(".trouble")?.remove();
    if (!this.#text) this.remove();
  }

  remove() {
    this.destroy();
    this.item.remove();
  }

  destroy() {
    this.#stop();
  }

  async #copy() {
    await navigator.clipboard.writeText(this.#text);
    this.#tell(this.#options.t.copied);
  }

  async #rate(thumbs, pressed, turnId, score) {
    const { t, onfeedback } = this.#options;
    const before = thumbs.find((thumb) => thumb.ariaPressed === "true");
    if (before === pressed) return;
    const press = (one) => {
      for (const thumb of thumbs) thumb.ariaPressed = String(thumb === one);
    };
    press(pressed);
    try {
      await onfeedback(turnId, score);
      this.#tell(t.thanks);
    } catch {
      press(before);
      this.#tell(t.failed);
    }
  }

  #tell(text) {
    this.#told.textContent = text;
    this.#options.announce(text);
  }

  #stop() {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#timer);
    this.#frame = 0;
    this.#typing.replaceChildren();
    this.#below.replaceChildren();
  }

  #paint() {
    this.#typing.replaceChildren();
    this.#markdown.write(this.#text);
    this.item.classList.remove("wordless");
    this.#onchange();
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      if (this.#markdown.text !== this.#text) this.#paint();
    });
  }

  #sourceList() {
    const { t } = this.#options;
    if (!this.sources.length) return [];
    const items = this.sources.map(({ title, url }) => {
      const href = address(String(url ?? ""));
      const words = [element("span", { dir: "auto" }, title), url &&
        element("small", {}, href ?? url)];
      return element("li", { tabindex: "-1" }, href ? link(href, ...words) : element("span", {},
        ...words));
    });
    const head = element("p", { class: "small" }, t.sources(items.length));
    return [element("div", { class: "sources" }, head, element("ol", {}, ...items))];
  }

  #toSource(number) {
    this.#below.querySelectorAll(".sources li")[number - 1]?.focus();
  }
}

function clock(at, language) {
  const shown = at.toLocaleTimeString(language, { timeStyle: "short" });
  return element("time", { datetime: at.toISOString() }, shown);
}

function time(at, language) {
  return at.toLocaleString(language, { dateStyle: "long", timeStyle: "short" });
}

function dayName(at, language) {
  const [day, today] = [at, new Date()].map((one) => new Date(one).setHours(12, 0, 0, 0));
  const days = Math.round((day - today) / 864e5);
  return days < -1
    ? at.toLocaleDateString(language, { dateStyle: "full" })
    : new Intl.RelativeTimeFormat(language, { numeric: "auto" }).format(days, "day");
}

function duration(seconds) {
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** A live region that nobody sees: it is given whole sentences, never pieces of words. */
export class Announcer {
  #region = element("div", { class: "unseen", role: "log", "aria-live": "polite" });
  #segmenter;
  #held = "";

  constructor(language) {
    if (Intl.Segmenter) this.#segmenter = new Intl.Segmenter(language, { granularity: "sentence" });
  }

  get region() {
    return this.#region;
  }

  /** Says a text. */
  say(text) {
    const said = plain(text);
    if (said) this.#region.append(element("p", {}, said));
    while (this.#region.childElementCount > MOST_KEPT) this.#region.firstChild.remove();
  }

  /** Takes more of an answer, and says the sentences that it completes. */
  feed(text) {
    this.#held += text;
    const end = this.#completed();
    if (!end) return;
    this.say(this.#held.slice(0, end));
    this.#held = this.#held.slice(end);
  }

  /** Says what is left of the answer; with `void`, forgets it. */
  finish(isVoid = false) {
    const rest = this.#held;
    this.#held = "";
    if (!isVoid) this.say(rest);
  }

  #completed() {
    let start = 0;
    for (const { index } of this.#segmenter?.segment(this.#held) ?? []) start = index;
    return start;
  }
}

/** Gives a text to the browser as a file. */
function download(text, name) {
  const href = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
  element("a", { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 1000);
}

function sourceLine({ title, url }, index) {
  return [`    [${index + 1}] ${title}`, url].filter(Boolean).join(" — ");
}
