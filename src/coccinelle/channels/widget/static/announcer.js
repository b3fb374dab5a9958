import { element } from "./elements.js";
import { plain } from "./markdown.js";

const MOST_KEPT = 12;

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
    if (!this.#segmenter) return this.#held.search(/[.!?…]\s+\S*$/) + 1;
    let start = 0;
    for (const sentence of this.#segmenter.segment(this.#held)) start = sentence.index;
    return start;
  }
}
