const GET_MS = 30_000;
const CHAT_MS = 55_000; // The server may wait 45 s for a twin of the message.
const SILENCE_MS = 40_000; // It sends a comment every 15 s.
const CLOSING_MS = 1_000;
const UNREACHED_MS = 15_000;
const RECONNECTING_MS = 60_000;
const SHORTEST_MS = 500;
const LONGEST_MS = 8_000;
const OFFLINE_MS = 15_000; // Some systems say "offline" and are not.
const MOST_RECONNECTS = 40;
const TWIN_TOKEN_MS = 1_000;

const PRINTABLE = /^[!-~]+$/;
const EVENTS = ["agent", "delta", "reset", "tool", "handoff"];

/**
 * Why something failed: `code` is the server's, `network`, `aborted` or `http_<status>`; `detail`
 * the server's sentence in the reader's language, or "".
 */
export class ChatError extends Error {
  constructor(code, { status = 0, detail = "", retryAfterSeconds, requestId } = {}) {
    super(detail || code);
    this.name = "ChatError";
    Object.assign(this, { code, status, detail, retryAfterSeconds, requestId });
    const isTwin = status === 409 && retryAfterSeconds !== undefined;
    const isLost = status === 0 && code !== "aborted";
    this.retryable = isLost || isTwin || status === 429 || status >= 500;
  }
}

/** A random id of 122 bits or more, without https too. */
export function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Server-sent events out of text in any pieces, by the WHATWG's rules. */
export class EventParser {
  #rest = "";
  #isAfterCr = false;
  #event = { data: [] };

  /** The events `{name, data, id?}` that this text completes. */
  push(text) {
    if (!text) return [];
    const added = this.#isAfterCr && text[0] === "\n" ? text.slice(1) : text;
    this.#isAfterCr = text.endsWith("\r");
    const lines = (this.#rest + added).split(/\r\n|\n|\r/);
    this.#rest = lines.pop();
    return lines.map((line) => this.#line(line)).filter(Boolean);
  }

  #line(line) {
    const event = this.#event;
    if (!line) {
      this.#event = { data: [] };
      return event.data.length && { ...event, data: event.data.join("\n") };
    }
    const [, field, value] = /^([^:]*)(?:: ?(.*))?$/s.exec(line);
    if (field === "data") event.data.push(value ?? "");
    if (field === "event") event.name = value;
    if (field === "id") event.id = value;
  }
}

/**
 * A visitor's conversation with a business; nothing is stored or asked for until a method is
 * called. What fails rejects with a `ChatError`.
 */
export class Transport {
  /** Called with "message" or "conversation": another tab wrote, or it is another conversation. */
  onchange = null;
  /** Called with the `ChatError` of an `identify` that was refused. */
  onerror = null;
  #base;
  #key;
  #language;
  #name;
  #isShared;
  #store;
  #channel;
  #talk = null;
  #user;
  #introduced;
  #life = new AbortController();

  constructor({ base, key, language, storage = "local" }) {
    this.#base = new URL(base).origin;
    this.#key = key;
    this.#language = language;
    this.#name = `coccinelle:${key || new URL(base).host}`;
    this.#isShared = storage === "local";
  }

  /** `{userId, conversationId}`, or null before `begin()`. */
  get conversation() {
    if (!this.#talk) return null;
    const { userId, conversationId } = this.#talk;
    return { userId, conversationId };
  }

  /** Makes random ids, or takes those that this browser has. */
  begin() {
    if (!this.#talk) {
      if (this.#isShared) this.#share();
      this.#talk = this.#stored();
      if (!this.#talk) this.#begin({ userId: newId(), resets: 0 });
    }
    return this.conversation;
  }

  /** What the widget shows: company, disclosure, greeting… */
  config(signal) {
    const query = new URLSearchParams();
    if (this.#key) query.set("key", this.#key);
    if (this.#language) query.set("lang", this.#language);
    return this.#json(`widget/config?${query}`, { signal });
  }

  /** All that was said, oldest first; nothing when the server does not know us (yet). */
  async history() {
    const talk = this.#current();
    const items = [];
    const query = new URLSearchParams({ user_id: talk.userId, limit: 200 });
    try {
      for (let isMore = Boolean(talk.token); isMore; ) {
        const page = await this.#json(`${pathOf(talk)}/messages?${query}`, { talk });
        items.push(...page.items);
        isMore = page.next_cursor && page.next_cursor !== query.get("cursor");
        query.set("cursor", page.next_cursor);
      }
    } catch (error) {
      if (error.status === 401 || error.status === 404) return [];
      throw error;
    }
    return items;
  }

  /**
   * Says `text` once, however often it has to be sent, and yields TurnEvents until `done`. To try
   * again after a failure, give the same `messageId`.
   */
  async *send(text, { messageId = newId(), signal } = {}) {
    const turn = { talk: this.#current(), text, messageId, signal, seen: new Set() };
    const patience = new Patience();
    for (;;) {
      turn.talk.isSaid = true;
      try {
        for await (const event of this.#attempt(turn)) {
          patience.renew();
          yield event;
          if (event.type === "done") return;
        }
      } catch (error) {
        this.#check(signal);
        if (error.status === 401 && !turn.isReached && !turn.isRenewed) {
          await this.#renew(turn, error);
          continue;
        }
        const waitMs = patience.afterFailure(error, turn);
        yield { type: "waiting", seconds: waitMs && Math.ceil(waitMs / 1000) };
        await pause(waitMs ?? OFFLINE_MS, [signal, this.#life.signal]);
        this.#check(signal);
      }
    }
  }

  /** Asks for a person: `{id, status}`. */
  async handoff({ email, phone, note } = {}) {
    const talk = this.#current();
    return this.#json(`${pathOf(talk)}/handoff`, { talk, body: { email, phone, note } });
  }

  /** Says what an answer was worth: 1 or -1; the last word counts. */
  async feedback(turnId, score, comment) {
    const path = `turns/${encodeURIComponent(turnId)}/feedback`;
    return this.#json(path, { talk: this.#current(), body: { score, comment } });
  }

  /** Tells who the visitor is, `{id, email?, hmac}`, once the server knows the conversation. */
  identify(user) {
    this.#user = user;
    this.#introduced = null;
    if (this.#talk) this.#introduce(this.#current());
  }

  /** Begins another conversation, in every tab. */
  reset() {
    this.#begin(this.#current());
  }

  /** Stops everything, for good. */
  close() {
    this.#life.abort();
    this.#channel?.close();
  }

  async *#attempt(turn) {
    const { talk, text, messageId, signal, last } = turn;
    const { userId: user_id, conversationId: conversation_id } = talk;
    const body = { user_id, conversation_id, message: text, message_id: messageId };
    const effort = new Effort([signal, this.#life.signal]);
    try {
      const response = await this.#ask(effort, "chat", { talk, body, last, ms: CHAT_MS });
      turn.isReached = true;
      yield* this.#fresh(turn, effort.events(response));
    } finally {
      // An answer that ends by itself leaves its connection to the next request.
      if (turn.isOver) effort.within(CLOSING_MS);
      else effort.end();
    }
  }

  async *#fresh(turn, events) {
    let isFirst = true;
    for await (const event of events) {
      // The server counts anew when it begins with a reset.
      if (isFirst && event.name === "reset") turn.seen.clear();
      isFirst = false;
      const told = turn.seen.has(event.id) ? null : understood(event);
      if (!told) continue;
      if (PRINTABLE.test(event.id ?? "")) turn.seen.add((turn.last = event.id));
      turn.isOver = told.type === "done" || told.type === "error";
      if (told.type === "error") throw told.error;
      if (told.type === "turn" || turn.isOver) this.#announce(turn.talk);
      yield told;
    }
    throw new ChatError("network");
  }

  async #json(path, asked) {
    const effort = new Effort([asked.signal, this.#life.signal]);
    try {
      return await answered((await this.#ask(effort, path, asked)).json());
    } catch (error) {
      this.#check(asked.signal);
      throw error;
    } finally {
      effort.end();
    }
  }

  async #ask(effort, path, { talk, body, last, ms = GET_MS }) {
    const headers = {
      Accept: path === "chat" && "text/event-stream",
      "Content-Type": body && "application/json",
      // Without a conversation it stays a request that needs no preflight.
      "Accept-Language": talk && this.#language,
      "X-Coccinelle-Key": talk && this.#key,
      "X-Visitor-Token": talk?.token,
      "Last-Event-ID": last,
    };
    effort.within(ms);
    const response = await answered(
      fetch(`${this.#base}/api/${path}`, {
        method: body ? "POST" : "GET",
        headers: Object.entries(headers).filter(([, value]) => value),
        body: body && JSON.stringify(body),
        signal: effort.signal,
        credentials: "omit",
        redirect: "error",
        referrerPolicy: "strict-origin", // What Origin tells, and no more.
        cache: talk ? "no-store" : "default",
      }),
    );
    if (!response.ok) throw await refusal(response);
    const token = response.headers.get("X-Visitor-Token");
    if (token) this.#keep(talk, token);
    return response;
  }

  #check(signal) {
    if (signal?.aborted || this.#life.signal.aborted) throw new ChatError("aborted");
  }

  /** The message goes to the same conversation with another tab's token, else to a new one. */
  async #renew(turn, error) {
    if (!/^visitor_token/.test(error.code)) throw error;
    turn.isRenewed = true;
    const { talk, signal } = turn;
    const { token } = talk;
    // Another tab may have opened this conversation a moment ago.
    if (!token && this.#store) await pause(TWIN_TOKEN_MS, [signal, this.#life.signal]);
    this.#check(signal);
    this.#sync();
    if (this.#talk === talk && talk.token === token) {
      this.#begin(talk);
      this.#call("onchange", "conversation");
    }
    turn.talk = this.#talk;
  }

  #introduce(talk) {
    if (!this.#user || !talk.token || this.#introduced === talk.conversationId) return;
    this.#introduced = talk.conversationId;
    const { id, email, hmac } = this.#user;
    this.#json(`${pathOf(talk)}/identity`, { talk, body: { id, email, hmac } }).catch((error) => {
      if (error.retryable) this.#introduced = null;
      if (error.code !== "aborted") this.#call("onerror", error);
    });
  }

  #call(name, value) {
    try {
      this[name]?.(value);
    } catch (error) {
      console.error(error);
    }
  }

  #share() {
    try {
      this.#store = globalThis.localStorage;
    } catch {
      // Blocked.
    }
    if (!this.#store || !globalThis.BroadcastChannel) return;
    const until = { signal: this.#life.signal };
    globalThis.addEventListener?.("storage", () => this.#sync(), until);
    this.#channel = new BroadcastChannel(this.#name);
    this.#channel.onmessage = ({ data }) => {
      this.#sync();
      if (data === this.#talk.conversationId) this.#call("onchange", "message");
    };
  }

  #announce(talk) {
    if (!this.#life.signal.aborted) this.#channel?.postMessage(talk.conversationId);
  }

  #current() {
    this.begin();
    this.#sync();
    return this.#talk;
  }

  /** Agrees with other tabs: a reset wins, then a conversation in which something was said. */
  #sync() {
    const mine = this.#talk;
    const found = this.#stored();
    if (!found) return;
    const ahead = found.resets - mine.resets;
    if (found.conversationId === mine.conversationId) {
      mine.token = found.token ?? mine.token;
    } else if (ahead > 0 || (ahead === 0 && !mine.isSaid && !mine.token)) {
      this.#talk = found;
      this.#call("onchange", "conversation");
    } else if (
      ahead < 0 ||
      (!found.token && (mine.token || mine.conversationId < found.conversationId))
    ) {
      this.#write();
    }
  }

  #begin({ userId, resets }) {
    this.#talk = { userId, conversationId: newId(), resets: resets + 1 };
    this.#write();
  }

  #keep(talk, token) {
    this.#sync();
    talk.token = token;
    if (talk === this.#talk) this.#write();
    this.#introduce(talk);
  }

  #stored() {
    try {
      const talk = JSON.parse(this.#store.getItem(this.#name));
      const { userId, conversationId, token, resets } = talk;
      const isWhole = [userId, conversationId, token ?? "-"].every(
        (value) => typeof value === "string" && PRINTABLE.test(value),
      );
      return isWhole ? { userId, conversationId, token, resets: resets | 0 } : null;
    } catch {
      return null;
    }
  }

  #write() {
    try {
      this.#store?.setItem(this.#name, JSON.stringify({ ...this.#talk, isSaid: undefined }));
    } catch {
      this.#store = null; // Full: what it holds would contradict us from now on.
    }
  }
}

/** One request, or one pause, and what ends it early. */
class Effort {
  #stop = new AbortController();
  #timer;
  signal = this.#stop.signal;

  constructor(signals, event = "offline") {
    const until = { signal: this.signal };
    globalThis.addEventListener?.(event, this.end, until);
    for (const signal of signals) {
      if (signal?.aborted) this.end();
      signal?.addEventListener("abort", this.end, until);
    }
  }

  within(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.end, ms);
  }

  async *events(response) {
    const isStream = response.headers.get("Content-Type")?.startsWith("text/event-stream");
    if (!isStream) throw new ChatError("network");
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    const parser = new EventParser();
    for (;;) {
      this.within(SILENCE_MS);
      const { done, value } = await answered(reader.read());
      if (done) return;
      yield* parser.push(decoder.decode(value, { stream: true }));
    }
  }

  end = () => {
    clearTimeout(this.#timer);
    this.#stop.abort();
  };
}

/** How long a broken answer is worth waiting for; while offline, for ever. */
class Patience {
  #since = null;
  #failures = 0;
  #reconnects = 0;

  renew() {
    this.#since = null;
    this.#failures = 0;
  }

  /** Milliseconds until the next attempt; null: until the network is back. May throw `error`. */
  afterFailure(error, { isReached, isOver }) {
    const mayPass = error.status === 0 || (isReached && error.retryable);
    if (isOver || !mayPass || this.#reconnects++ > MOST_RECONNECTS) throw error;
    if (globalThis.navigator?.onLine === false) {
      this.renew();
      return null;
    }
    const nowMs = performance.now();
    this.#since ??= nowMs;
    const longestMs = Math.min(LONGEST_MS, SHORTEST_MS * 2 ** ++this.#failures);
    const jitterMs = SHORTEST_MS + Math.random() * (longestMs - SHORTEST_MS);
    const waitMs = Math.max(jitterMs, (error.retryAfterSeconds ?? 0) * 1000);
    if (nowMs + waitMs > this.#since + (isReached ? RECONNECTING_MS : UNREACHED_MS)) throw error;
    return waitMs;
  }
}

function pause(ms, signals) {
  return new Promise((resolve) => {
    const effort = new Effort(signals, "online");
    if (effort.signal.aborted) return resolve();
    effort.signal.addEventListener("abort", resolve);
    effort.within(ms);
  });
}

function answered(promise) {
  return promise.catch(() => {
    throw new ChatError("network");
  });
}

async function refusal(response) {
  const { status, headers } = response;
  const problem = Object(await response.json().catch(() => null));
  const { code = `http_${status}`, detail, request_id } = problem;
  const requestId = request_id ?? headers.get("X-Request-Id") ?? undefined;
  const retryAfterSeconds = secondsUntil(headers.get("Retry-After"));
  return new ChatError(code, { status, detail, retryAfterSeconds, requestId });
}

/** A Retry-After header in either form, RFC 9110 section 10.2.3. */
function secondsUntil(value) {
  if (!value || /^\d+$/.test(value)) return value ? Number(value) : undefined;
  const seconds = Math.ceil((Date.parse(value) - Date.now()) / 1000);
  return seconds >= 0 ? seconds : seconds < 0 ? 0 : undefined;
}

/** An event as the reader of an answer sees it; null when it says nothing to us. */
function understood({ name: type, data }) {
  let value;
  try {
    value = Object(JSON.parse(data));
  } catch {
    return null;
  }
  if (type === "turn") return { type, turnId: value.turn_id };
  if (type === "error") {
    const told = { ...value, requestId: value.request_id };
    return { type, error: new ChatError(value.code ?? "network", told) };
  }
  if (type === "done") return typeof value.message === "string" ? { type, answer: value } : null;
  if (type === "delta" && typeof value.text !== "string") return null;
  return EVENTS.includes(type) ? { ...value, type } : null;
}

function pathOf({ conversationId }) {
  return `conversations/${encodeURIComponent(conversationId)}`;
}
