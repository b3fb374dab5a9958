import { newId } from "./transport.js";

// Codes whose sentence, on the server, is written for visitors.
const FOR_VISITORS = /^(answer_failed|crashed|(database_)?unavailable)$/;

/**
 * Messages on their way, one after the other, and their answers as they come. Nothing leaves
 * before `open()`. What fails waits for the visitor, and so do the messages behind it, until
 * something is said again.
 *
 * Options: `transport`, `bubbles`, `announcer`, `t`, `name()` (who answers, before it is known),
 * `isSilent()` (a person answers, and no agent), `emit`, `onagent(name)`, `onanswer()`,
 * `onhandoff()`, `onidle()`.
 */
export class Exchange {
  #options;
  #waiting = [];
  #stopped = [];
  #current = null;
  #isOpen = false;
  #isBusy = false;
  #turns = new Set();
  #life = new AbortController();

  constructor(options) {
    this.#options = options;
  }

  get isIdle() {
    return !this.#isBusy && !this.#waiting.length;
  }

  /** Whether what an author said in a turn is shown already. */
  knows(turnId, author) {
    return this.#turns.has(`${author} ${turnId}`);
  }

  /** Says something; gives whether it was answered. */
  ask(text) {
    const { bubbles, emit, t } = this.#options;
    const said = { id: newId(), text, bubble: bubbles.customer(text) };
    const settled = new Promise((resolve) => (said.settle = resolve));
    if (!this.#isOpen || this.#isBusy) said.bubble.say(t.queued);
    bubbles.toEnd();
    this.#waiting.push(said);
    emit("message", { id: said.id, text });
    this.#pump();
    return settled;
  }

  open() {
    this.#isOpen = true;
    this.#pump();
  }

  /** Drops everything, the answer that is being written included. */
  stop() {
    this.#life.abort();
    this.#life = new AbortController();
    for (const said of [...this.#waiting, ...this.#stopped, this.#current]) {
      said?.settle(false);
      said?.answer?.destroy();
    }
    this.#waiting = [];
    this.#stopped = [];
    this.#current = null;
    this.#isBusy = false;
  }

  async #pump() {
    if (this.#isBusy || !this.#isOpen) return;
    const { signal } = this.#life;
    this.#isBusy = true;
    let goesOn = true;
    while (goesOn && this.#waiting.length) {
      this.#current = this.#waiting.shift();
      goesOn = await this.#deliver(this.#current, signal);
      if (signal.aborted) return;
    }
    this.#current = null;
    this.#isBusy = false;
    if (this.isIdle) this.#options.onidle();
  }

  async #deliver(said, signal) {
    const { transport, bubbles, t, name, isSilent } = this.#options;
    said.bubble.say("");
    said.answer ??= bubbles.answer(name());
    const answer = said.answer;
    answer.item.hidden = isSilent();
    answer.reset();
    answer.wait(t.thinking);
    try {
      for await (const event of transport.send(said.text, { messageId: said.id, signal })) {
        if (signal.aborted) return false;
        this.#happened(event, said);
      }
      said.settle(true);
      return true;
    } catch (error) {
      if (!signal.aborted) this.#failed(error, said);
      return !signal.aborted && !error.retryable;
    }
  }

  #happened(event, said) {
    const { announcer, t, onagent, onanswer, onhandoff } = this.#options;
    const { answer } = said;
    switch (event.type) {
      case "turn":
        this.#turns.add(`customer ${event.turnId}`).add(`agent ${event.turnId}`);
        onanswer();
        break;
      case "agent":
        answer.item.hidden = false;
        if (!event.name) break;
        answer.by(event.name);
        onagent(event.name);
        answer.wait(t.typing(event.name));
        break;
      case "delta":
        if (!answer.text) announcer.feed(t.says(answer.author));
        answer.write(event.text);
        announcer.feed(event.text);
        break;
      case "reset":
        answer.reset();
        announcer.finish(true);
        answer.wait(t.thinking);
        break;
      case "waiting":
        answer.wait(t.waiting);
        break;
      case "handoff":
        onhandoff();
        break;
      case "done":
        this.#done(event.answer, said);
    }
  }

  #done(told, said) {
    const { announcer, emit, onhandoff, t } = this.#options;
    const { answer } = said;
    if (!told.message && !told.interrupted) {
      answer.remove();
      said.bubble.say(t.delivered, true);
    }
    if (!answer.text && told.message) announcer.feed(`${t.says(answer.author)}${told.message}`);
    announcer.finish();
    this.#turns.add(`customer ${told.turn_id}`).add(`agent ${told.turn_id}`);
    answer.show(told.message, told.sources ?? []);
    if (told.message) answer.offer(told.turn_id);
    if (told.interrupted) {
      this.offerAgain(answer, said.text);
      announcer.say(t.interrupted);
    }
    if (told.handoff) onhandoff();
    const { turn_id: turnId, agent, message: text, sources, handoff } = told;
    emit("turn", { turnId, agent, name: answer.author, text, sources, handoff });
  }

  /** Says that an answer is not whole, and offers to ask anew, as another message. */
  offerAgain(answer, text) {
    const { t } = this.#options;
    const onclick = () => {
      answer.calm();
      this.ask(text);
    };
    answer.complain(t.interrupted, { label: t.askAgain, onclick });
  }

  #failed(error, said) {
    const { announcer, emit, t } = this.#options;
    const text = this.#sentence(error);
    const again = { label: t.retry, onclick: () => this.#retry(said) };
    announcer.finish(true);
    announcer.say(text);
    said.settle(false);
    said.answer.item.hidden = false;
    this.#stopped.push(said);
    if (error.status === 429) {
      const seconds = error.retryAfterSeconds || 1;
      said.answer.countDown(text, seconds, { ...again, label: t.resend });
    } else {
      const reference = error.status >= 500 && error.requestId && t.reference(error.requestId);
      said.answer.complain(text, again, reference, true);
    }
    emit("error", { code: error.code, message: text });
  }

  #retry(said) {
    this.#stopped = this.#stopped.filter((one) => one !== said);
    if (this.#isBusy) said.bubble.say(this.#options.t.queued);
    this.#waiting.unshift(said);
    this.#pump();
  }

  #sentence({ code, status, detail }) {
    const { t } = this.#options;
    if (status === 429) return t.tooMany;
    if (code === "network") return t.unreachable;
    return (FOR_VISITORS.test(code) && detail) || t.failed;
  }
}
