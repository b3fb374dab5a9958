import { button, element, icon } from "./elements.js";

const NEAR_LIMIT = 0.8;
const KEY_OF_IME = 229;
const EMAIL = /^[^\s@]+@[^\s@.]+(\.[^\s@.]+)+$/;
const MIN_DIGITS = 6;

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

/**
 * The form that asks for a person. `promise` says when somebody will answer; `isKnown`, that the
 * visitor can be reached already. `onsubmit({email, phone, note})` rejects with a ChatError;
 * `onback()` is called when the visitor changes their mind or has read the confirmation.
 */
export class HandoffForm {
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
      element("p", {}, t.handedText),
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
