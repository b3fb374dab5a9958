import { button, element, icon } from "./elements.js";

const EMAIL = /^[^\s@]+@[^\s@.]+(\.[^\s@.]+)+$/;
const MIN_DIGITS = 6;

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
    else this.#trouble.textContent = code === "network" ? t.unreachable : t.handFailed;
  }

  #busy(isBusy) {
    const { t } = this.#options;
    this.#submit.ariaDisabled = isBusy;
    this.#submit.textContent = isBusy ? t.handing : t.handOver;
  }

  #done() {
    const { t, promise, onback } = this.#options;
    this.#title.textContent = t.handed;
    this.form.replaceChildren(
      element("span", { class: "disc done" }, icon("check")),
      this.#title,
      element("p", {}, t.handedText),
      promise && element("p", { class: "promise" }, icon("info"), element("span", {}, promise)),
      element("p", {}, t.handedMore),
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
