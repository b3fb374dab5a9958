import { button, element } from "./elements.js";

const NEAR_LIMIT = 0.8;
const KEY_OF_IME = 229;

/**
 * Where the visitor writes: `onsend(text)` is called with what is not empty nor too long.
 * It accepts nothing until `open(maxChars)`.
 */
export class Composer {
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

  close() {
    this.#input.disabled = this.#send.disabled = true;
  }

  focus() {
    this.#input.focus();
  }

  #pressed(event) {
    const isComposing = event.isComposing || event.keyCode === KEY_OF_IME;
    if (event.key !== "Enter" || event.shiftKey || isComposing) return;
    event.preventDefault();
    this.#submit();
  }

  #submit() {
    const text = trimmed(this.#input.value);
    if (!text || this.#isOver || !this.isOpen) return this.#input.focus();
    this.#input.value = "";
    this.#changed();
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
export function trimmed(text) {
  let start = 0;
  let end = text.length;
  while (start < end && SPACE.test(text[start])) start += 1;
  while (end > start && SPACE.test(text[end - 1])) end -= 1;
  return text.slice(start, end);
}
