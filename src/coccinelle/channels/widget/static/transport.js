// The server may wait 45 s for a twin of the message.
const CHAT_MS = 55_000;
const ANSWER_MS = 30_000;
// It sends a comment every 15 s.
const SILENCE_MS = 40_000;
const CLOSING_MS = 1_000;
const TWIN_TOKEN_MS = 1_000;
// Some systems say "offline" and are not.
const OFFLINE_MS = 15_000;
const SHORTEST_MS = 500;
const LONGEST_MS = 8_000;
const UNREACHED_MS = 15_000;
const RECONNECTING_MS = 60_000;
const MOST_RECONNECTS = 40;

const PRINTABLE = /^[!-~]+$/;
const EVENTS = ["agent", "delta", "reset", "tool", "handoff"];

/** `code` is the server's, `network`, `aborted` or `http_<status>`; `detail` a sentence or "". */
export class ChatError extends Error {
  constructor(code, { status = 0, detail = "", retryAfterSeconds, requestId } = {}) {
    super(detail || code);
    this.name = "ChatError";
    Object.assign(this, { code, status, detail, retryAfterSeconds, requestId });
    const isTwin = status === 409 && retryAfterSeconds >= 0;
    this.retryable = code === "network" || isTwin || status === 429 || status >= 500;
  }
}

/** A random id of 128 bits. */
export function newId() {
  // randomUUID wants https.
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
    const added = this.#isAfterCr ? text.replace(/^\n/, "") : text;
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
    const [, field, value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line);
    if (field === "data") event.data.push(value);
    if (field === "event") event.name = value;
    if (field === "id") event.id = value;
  }
}

/** A visitor's conversation; what fails rejects with a `ChatError`. Types: coccinelle.d.ts. */
export class Transport {
  /** Called with "message" or "conversation": another tab wrote; it is another conversation. */
  onchange = null;
  /** Called with the `ChatError` of an `identify` that was refused. */
  onerror = null;
  /** Of a person, as the last history says: `state` is "open", "claimed" or null. */
  presence = {};
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
    const { origin, host } = new URL(base);
    this.#base = origin;
    this.#key = key;
    this.#language = language;
    this.#name = `coccinelle:${key || host}`;
    this.#isShared = storage === "local";
  }

  /** Null before `begin()`. */
  get conversation() {
    const talk = this.#talk;
    return talk && { userId: talk.userId, conversationId: talk.conversationId };
  }

  /** Whether this browser has a conversation. */
  get isStored() {
    if (this.#isShared && this.#store === undefined) this.#share();
    return Boolean(this.#stored());
  }

  /** Makes random ids, or takes those that this browser has. */
  begin() {
    if (!this.#talk) {
      if (this.isStored) this.#talk = this.#stored();
      else this.#begin({ userId: newId(), resets: 0 });
    }
    return this.conversation;
  }

  /** What the widget shows. */
  config(signal) {
    const query = new URLSearchParams();
    if (this.#key) query.set("key", this.#key);
    if (this.#language) query.set("lang", this.#language);
    return this.#json(`widget/config?${query}`, { signal });
  }

  /** What was said after the `seq` `after`, oldest first; nothing where the server knows us not. */
  async history(after) {
    const talk = this.#current();
    const items = [];
    const query = new URLSearchParams({ user_id: talk.userId, limit: 200 });
    if (after) query.set("after", after);
    try {
      for (let cursor = talk.token; cursor; query.set(after ? "after" : "cursor", cursor)) {
        const page = await this.#json(`${pathOf(talk)}/messages?${query}`, { talk });
        items.push(...page.items);
        this.presence = { state: page.handoff_state, name: page.person };
        cursor = page.next_cursor;
      }
    } catch (error) {
      if (error.status === 401 || error.status === 404) return [];
      throw error;
    }
    return items;
  }

  /** Says `text` once, and yields until `done`. To try again, give the same `messageId`. */
  async *send(text, { messageId = newId(), signal } = {}) {
    const stops = [signal, this.#life.signal];
    const turn = { talk: this.#current(), text, messageId, stops, seen: new Set() };
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
        if (await this.#isRenewed(turn, error)) continue;
        const waitMs = patience.afterFailure(error, turn);
        yield { type: "waiting", seconds: waitMs && Math.ceil(waitMs / 1000) };
        await pause(waitMs ?? OFFLINE_MS, stops);
      }
    }
  }

  /** Asks for a person. */
  async handoff({ email, phone, note } = {}) {
    const talk = this.#current();
    return this.#json(`${pathOf(talk)}/handoff`, { talk, body: { email, phone, note } });
  }

  /** Says what an answer was worth: 1 or -1; the last word counts. */
  async feedback(turnId, score, comment) {
    const path = `turns/${encodeURIComponent(turnId)}/feedback`;
    return this.#json(path, { talk: this.#current(), body: { score, comment } });
  }

  /** Tells who the visitor is, once the server knows the conversation. */
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
    const { talk, text, messageId, stops, last } = turn;
    turn.shown = talk.token;
    const { userId: user_id, conversationId: conversation_id } = talk;
    const body = { user_id, conversation_id, message: text, message_id: messageId };
    const effort = new Effort(stops);
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
      if (told.error) throw told.error;
      if (told.type === "turn" || turn.isOver) this.#announce(turn.talk);
      yield told;
    }
    throw new ChatError("network");
  }

  async #json(path, asked) {
    const effort = new Effort([asked.signal, this.#life.signal]);
    try {
      const response = await this.#ask(effort, path, asked);
      return await effort.answered(response.json());
    } finally {
      effort.end();
    }
  }

  async #ask(effort, path, { talk, body, last, ms = ANSWER_MS }) {
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
    const response = await effort.answered(
      fetch(`${this.#base}/api/${path}`, {
        method: body ? "POST" : "GET",
        headers: Object.entries(headers).filter(([, value]) => value),
        body: body && JSON.stringify(body),
        signal: effort.signal,
        credentials: "omit",
        redirect: "error",
        // What Origin tells, and no more.
        referrerPolicy: "strict-origin",
        cache: talk ? "no-store" : "default",
      }),
    );
    if (!response.ok) throw await refusal(response);
    const token = response.headers.get("X-Visitor-Token");
    if (token) this.#keep(talk, token);
    return response;
  }

  /** Whether another token, or another conversation, is worth trying. */
  async #isRenewed(turn, { status, code }) {
    const { talk, shown, stops, isReached, isRenewed } = turn;
    const isRefused = status === 401 && /^visitor_token/.test(code);
    if (!isRefused || isReached || isRenewed) return false;
    // Another tab may have opened this conversation a moment ago.
    if (!talk.token && this.#store) await pause(TWIN_TOKEN_MS, stops);
    talk.isSaid = false;
    this.#sync();
    if (this.#talk === talk && talk.token === shown) {
      this.#begin(talk);
      this.#tell("onchange", "conversation");
    }
    turn.talk = this.#talk;
    turn.isRenewed = true;
    return true;
  }

  #introduce(talk) {
    if (!this.#user || !talk.token || this.#introduced === talk.conversationId) return;
    this.#introduced = talk.conversationId;
    const { id, email, hmac } = this.#user;
    this.#json(`${pathOf(talk)}/identity`, { talk, body: { id: `${id}`, email, hmac } }).catch((error) => {
      if (error.retryable) this.#introduced = null;
      if (error.code !== "aborted") this.#tell("onerror", error);
    });
  }

  // What a callback throws stops nothing here.
  #tell(name, value) {
    queueMicrotask(() => this[name]?.(value));
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
      if (data === this.#talk?.conversationId) this.#tell("onchange", "message");
    };
  }

  #announce({ conversationId }) {
    if (!this.#life.signal.aborted) this.#channel?.postMessage(conversationId);
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
    if (!found || !mine) return;
    const ahead = found.resets - mine.resets;
    const isFirst = mine.token || mine.conversationId < found.conversationId;
    if (found.conversationId === mine.conversationId) {
      mine.token = found.token ?? mine.token;
    } else if (ahead > 0 || (!ahead && !mine.isSaid && !mine.token)) {
      this.#talk = found;
      this.#tell("onchange", "conversation");
    } else if (ahead < 0 || (!found.token && isFirst)) {
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
    this.#write();
    this.#introduce(talk);
  }

  #stored() {
    try {
      const talk = JSON.parse(this.#store.getItem(this.#name));
      const { userId, conversationId, token, resets } = talk;
      const texts = [userId, conversationId, token ?? "-"];
      const isWhole = texts.every((text) => text.trim && PRINTABLE.test(text));
      return isWhole ? { userId, conversationId, token, resets: resets | 0 } : null;
    } catch {
      return null;
    }
  }

  #write() {
    try {
      this.#store?.setItem(this.#name, JSON.stringify({ ...this.#talk, isSaid: undefined }));
    } catch {
      // Full: what it holds would contradict us from now on.
      this.#store = null;
    }
  }
}

/** One request, or one pause, and what ends it early. */
class Effort {
  #stop = new AbortController();
  #stops;
  #timer;
  signal = this.#stop.signal;

  constructor(stops, event = "offline") {
    this.#stops = stops;
    const until = { signal: this.signal };
    globalThis.addEventListener?.(event, this.end, until);
    for (const stop of stops) stop?.addEventListener("abort", this.end, until);
    if (this.#isStopped) this.end();
  }

  get #isStopped() {
    return this.#stops.some((stop) => stop?.aborted);
  }

  check() {
    if (this.#isStopped) throw new ChatError("aborted");
  }

  within(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.end, ms);
  }

  end = () => {
    clearTimeout(this.#timer);
    this.#stop.abort();
  };

  async answered(promise) {
    try {
      return await promise;
    } catch {
      this.check();
      throw new ChatError("network");
    }
  }

  async *events(response) {
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    const parser = new EventParser();
    for (;;) {
      this.within(SILENCE_MS);
      const { done, value } = await this.answered(reader.read());
      if (done) return;
      yield* parser.push(decoder.decode(value, { stream: true }));
    }
  }
}

async function pause(ms, stops) {
  const effort = new Effort(stops, "online");
  if (!effort.signal.aborted) {
    effort.within(ms);
    await new Promise((resolve) => effort.signal.addEventListener("abort", resolve));
  }
  effort.check();
}

/** How long a broken answer is worth waiting for: offline, for ever. */
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
    const mayPass = isReached ? error.retryable : error.code === "network";
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

async function refusal(response) {
  const { status, headers } = response;
  const value = Object(await response.json().catch(() => null));
  const retryAfterSeconds = secondsUntil(headers.get("Retry-After"));
  const request_id = headers.get("X-Request-Id");
  return problem({ code: `http_${status}`, request_id, ...value, status, retryAfterSeconds });
}

function problem({ code = "network", request_id: requestId, ...told }) {
  return new ChatError(code, { ...told, requestId });
}

// Retry-After in either form, RFC 9110 section 10.2.3.
function secondsUntil(value) {
  const untilMs = Date.parse(value) - Date.now();
  const seconds = /^\d+$/.test(value) ? Number(value) : Math.max(0, Math.ceil(untilMs / 1000));
  return seconds >= 0 ? seconds : undefined;
}

function understood({ name: type, data }) {
  let value;
  try {
    value = Object(JSON.parse(data));
  } catch {
    return null;
  }
  if (type === "turn") return { type, turnId: value.turn_id };
  if (type === "error") return { type, error: problem(value) };
  if (type === "done") return typeof value.message === "string" ? { type, answer: value } : null;
  if (type === "delta" && typeof value.text !== "string") return null;
  return EVENTS.includes(type) ? { ...value, type } : null;
}

function pathOf({ conversationId }) {
  return `conversations/${encodeURIComponent(conversationId)}`;
}
