/**
 * Headless transport of a Coccinelle chat: sends, streams, reconnects and remembers. No interface.
 * @module
 */

const GET_MS = 30_000;
const CHAT_MS = 55_000; // A twin of the message may be waited for during 45 s.
const SILENCE_MS = 40_000; // The server sends a comment every 15 s.
const UNREACHED_MS = 15_000;
const RECONNECTING_MS = 60_000;
const CLOSING_MS = 1_000;
const SHORTEST_MS = 500;
const LONGEST_MS = 8_000;
const OFFLINE_TRY_MS = 15_000; // Some systems say "offline" and are not.
const MOST_RECONNECTS = 40;
const TWIN_TOKEN_MS = 1_000;
const PAGE_ITEMS = 200;

const ID = /^[\w.:-]{1,128}$/;
const TOKEN = /^[\w.:-]+$/;
const EVENT_ID = /^[!-~]{1,64}$/;

/**
 * Why something was not done. `code` is stable: the server's, `network` (no answer), `aborted`, or
 * `http_<status>`. `detail` is the server's sentence in the reader's language, or "".
 */
export class ChatError extends Error {
  constructor(code, { status = 0, detail = "", retryAfterSeconds, requestId } = {}) {
    super(detail || code);
    this.name = "ChatError";
    Object.assign(this, { code, status, detail, retryAfterSeconds, requestId });
    const isLost = status === 0 && code !== "aborted";
    const isTwin = status === 409 && retryAfterSeconds !== undefined;
    this.retryable = isLost || status === 429 || status >= 500 || isTwin;
  }
}

/** A random id of 122 bits or more, also on pages without https. */
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

  /** The events `{name, data, id?}` that are complete with this piece of text. */
  push(text) {
    if (!text) return [];
    const added = this.#isAfterCr && text[0] === "\n" ? text.slice(1) : text;
    this.#isAfterCr = text.endsWith("\r");
    const lines = (this.#rest + added).split(/\r\n|\n|\r/);
    this.#rest = lines.pop();
    return lines.map((line) => this.#line(line)).filter(Boolean);
  }

  #line(line) {
    if (line) return this.#field(line);
    const { name = "message", data, id } = this.#event;
    this.#event = { data: [] };
    return data.length ? { name, data: data.join("\n"), id } : null;
  }

  #field(line) {
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") this.#event.data.push(value);
    if (field === "event") this.#event.name = value || undefined;
    if (field === "id" && !value.includes("\0")) this.#event.id = value;
    return null;
  }
}

/**
 * A visitor's conversation with one business. Callbacks: `onchange("message" | "conversation")`,
 * another tab wrote or the conversation is another one; `onerror(ChatError)`, `identify` was
 * refused. Every promise that fails does so with a `ChatError`.
 */
export class Transport {
  onchange = null;
  onerror = null;
  #base;
  #key;
  #language;
  #name;
  #isShared;
  #store = null;
  #channel = null;
  #talk = null;
  #user = null;
  #introduced = null;
  #life = new AbortController();

  /**
   * @param {{base: string, key?: string, language?: string, storage?: "local" | "memory"}} options
   *   `base` is the origin of the server. Nothing is stored, or asked for, until a method is called.
   */
  constructor({ base, key, language, storage = "local" }) {
    this.#base = String(base).replace(/\/+$/, "");
    this.#key = key;
    this.#language = language;
    this.#name = `coccinelle:${key || new URL(this.#base).host}`;
    this.#isShared = storage === "local";
  }

  /** `{userId, conversationId}`, or null before `begin()`. */
  get conversation() {
    if (!this.#talk) return null;
    const { userId, conversationId } = this.#talk;
    return { userId, conversationId };
  }

  /** Makes random ids, or takes those that this browser has, and remembers them. */
  begin() {
    if (!this.#talk) {
      if (this.#isShared) this.#listen();
      this.#talk = this.#stored();
      if (!this.#talk) this.#begin({ userId: newId(), resets: 0 });
    }
    return this.conversation;
  }

  /** What the server says of the widget: company, disclosure, greeting, agent, colours. */
  config(signal) {
    const query = new URLSearchParams();
    if (this.#key) query.set("key", this.#key);
    if (this.#language) query.set("lang", this.#language);
    return this.#json(`/api/widget/config?${query}`, { signal, isSimple: true });
  }

  /** Everything that was said, oldest first; nothing when the server does not know us (yet). */
  async history() {
    const talk = this.#current();
    const items = [];
    let cursor = "";
    try {
      while (talk.token && cursor !== null) {
        const query = new URLSearchParams({ user_id: talk.userId, limit: PAGE_ITEMS });
        if (cursor) query.set("cursor", cursor);
        const page = await this.#json(`${conversationPath(talk)}/messages?${query}`, { talk });
        items.push(...page.items);
        cursor = page.next_cursor === cursor ? null : page.next_cursor;
      }
    } catch (error) {
      if (error.status === 401 || error.status === 404) return [];
      throw error;
    }
    return items;
  }

  /**
   * Says something, once, however often it has to be sent, and yields what happens until `done`.
   * To try again after a failure, give the same `messageId`.
   * @returns {AsyncGenerator<object, void>} the TurnEvents of coccinelle.d.ts
   */
  async *send(text, { messageId = newId(), signal } = {}) {
    const talk = this.#current();
    const turn = { talk, text, messageId, signal, seen: new Set(), last: "", isReached: false };
    const patience = new Patience();
    let mayRenew = true;
    for (;;) {
      talk.isSaid = turn.talk.isSaid = true;
      try {
        for await (const event of this.#attempt(turn)) {
          patience.renew();
          yield event;
          if (event.type === "done") return;
        }
      } catch (error) {
        this.#check(signal);
        if (mayRenew && !turn.isReached && isTokenRefused(error)) {
          mayRenew = false;
          turn.talk = await this.#renewed(turn);
          continue;
        }
        const waitMs = patience.afterFailure(error, turn);
        yield waitMs === null
          ? { type: "waiting" }
          : { type: "waiting", seconds: Math.ceil(waitMs / 1000) };
        await patience.wait(waitMs, signal, this.#life.signal);
        this.#check(signal);
      }
    }
  }

  /** Asks for a person: `{id, status}`. */
  handoff({ email, phone, note } = {}) {
    const talk = this.#current();
    const body = { email, phone, note };
    return this.#json(`${conversationPath(talk)}/handoff`, { talk, body });
  }

  /** Says what an answer was worth: 1 or -1. The last word counts. */
  feedback(turnId, score, comment) {
    const path = `/api/turns/${encodeURIComponent(turnId)}/feedback`;
    return this.#json(path, { talk: this.#current(), body: { score, comment } });
  }

  /** Tells who the visitor is, as soon as the server knows the conversation; null: nobody. */
  identify(user) {
    this.#user = user;
    this.#introduced = null;
    if (this.#talk) this.#introduce(this.#current());
  }

  /** Forgets this conversation and begins another one, in every tab. */
  reset() {
    this.#begin(this.#current());
  }

  /** Stops everything; the transport is of no use any more. */
  close() {
    this.#life.abort();
    this.#channel?.close();
    globalThis.removeEventListener?.("storage", this.#onStorage);
  }

  async *#attempt(turn) {
    const { talk, text, messageId, signal, last } = turn;
    const body = {
      user_id: talk.userId,
      conversation_id: talk.conversationId,
      message: text,
      message_id: messageId,
    };
    const effort = new Effort(signal, this.#life.signal);
    try {
      const asked = { talk, body, last, accept: "text/event-stream", ms: CHAT_MS };
      const response = await this.#ask(effort, "/api/chat", asked);
      const kind = response.headers.get("Content-Type") ?? "";
      if (!kind.startsWith("text/event-stream")) throw new ChatError("network");
      turn.isReached = true;
      yield* this.#fresh(turn, effort.events(response));
    } finally {
      // What ends by itself leaves its connection to the next request.
      if (turn.isOver) effort.within(CLOSING_MS);
      else effort.end();
    }
  }

  /** The events that were not seen yet. Events without an id cannot have been. */
  async *#fresh(turn, events) {
    let isFirst = true;
    for await (const event of events) {
      // The server counts anew when it begins with a reset.
      if (isFirst && event.name === "reset") turn.seen.clear();
      isFirst = false;
      const told = turn.seen.has(event.id) ? null : understood(event);
      if (!told) continue;
      if (event.id && EVENT_ID.test(event.id)) {
        turn.seen.add(event.id);
        turn.last = event.id;
      }
      turn.isOver = told instanceof ChatError || told.type === "done";
      if (told instanceof ChatError) throw told;
      if (told.type === "turn" || told.type === "done") this.#announce(turn.talk);
      yield told;
    }
    throw new ChatError("network");
  }

  async #json(path, asked) {
    const effort = new Effort(asked.signal, this.#life.signal);
    try {
      const response = await this.#ask(effort, path, asked);
      return await answered(response.json());
    } catch (error) {
      this.#check(asked.signal);
      throw error;
    } finally {
      effort.end();
    }
  }

  async #ask(effort, path, { talk, body, last, accept, isSimple, ms = GET_MS }) {
    this.#check();
    const headers = {};
    if (accept) headers.Accept = accept;
    if (this.#language && !isSimple) headers["Accept-Language"] = this.#language;
    if (this.#key && !isSimple) headers["X-Coccinelle-Key"] = this.#key;
    if (talk?.token) headers["X-Visitor-Token"] = talk.token;
    if (last) headers["Last-Event-ID"] = last;
    if (body) headers["Content-Type"] = "application/json";
    effort.within(ms);
    const response = await answered(
      fetch(this.#base + path, {
        method: body ? "POST" : "GET",
        headers,
        body: body && JSON.stringify(body),
        signal: effort.signal,
        mode: "cors",
        credentials: "omit",
        redirect: "error",
        referrerPolicy: "strict-origin", // No more than Origin tells already.
        cache: isSimple ? "default" : "no-store",
      }),
    );
    if (!response.ok) throw await refusal(response);
    const token = response.headers.get("X-Visitor-Token");
    if (talk && token) this.#keep(talk, token);
    return response;
  }

  #check(signal) {
    if (signal?.aborted || this.#life.signal.aborted) throw new ChatError("aborted");
  }

  /** The conversation to post to again: with another tab's token, else a new one. */
  async #renewed({ talk, signal }) {
    const shown = talk.token;
    // Another tab may have opened this conversation a moment ago.
    if (!shown && this.#store) await pause(TWIN_TOKEN_MS, signal, this.#life.signal);
    this.#check(signal);
    this.#sync();
    if (this.#talk === talk && talk.token === shown) {
      this.#begin(talk);
      this.#call("onchange", "conversation");
    }
    return this.#talk;
  }

  #introduce(talk) {
    if (!this.#user || !talk.token || this.#introduced === talk.conversationId) return;
    this.#introduced = talk.conversationId;
    const { id, email, hmac } = this.#user;
    const path = `${conversationPath(talk)}/identity`;
    this.#json(path, { talk, body: { id, email, hmac } }).catch((error) => {
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

  #listen() {
    try {
      this.#store = globalThis.localStorage ?? null;
    } catch {
      return; // Blocked: this page remembers alone.
    }
    if (!this.#store) return;
    globalThis.addEventListener?.("storage", this.#onStorage);
    if (!globalThis.BroadcastChannel) return;
    this.#channel = new BroadcastChannel(this.#name);
    this.#channel.onmessage = ({ data }) => {
      this.#sync();
      if (data === this.#talk?.conversationId) this.#call("onchange", "message");
    };
  }

  #onStorage = ({ key }) => {
    if (key === this.#name) this.#sync();
  };

  #announce(talk) {
    if (!this.#life.signal.aborted) this.#channel?.postMessage(talk.conversationId);
  }

  #current() {
    this.begin();
    this.#sync();
    return this.#talk;
  }

  /** Agrees with the other tabs: a reset wins, then a conversation in which something was said. */
  #sync() {
    const mine = this.#talk;
    const found = this.#stored();
    if (!found || !mine) return;
    if (found.conversationId === mine.conversationId) {
      mine.token = found.token ?? mine.token;
    } else if (found.resets > mine.resets || (found.resets === mine.resets && !isSaid(mine))) {
      this.#talk = found;
      this.#call("onchange", "conversation");
    } else if (found.resets < mine.resets || (!found.token && isFirst(mine, found))) {
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
    if (talk === this.#talk && TOKEN.test(token)) this.#write();
    this.#introduce(talk);
  }

  #stored() {
    try {
      const { userId, conversationId, token, resets } = JSON.parse(this.#store.getItem(this.#name));
      if (!isLike(ID, userId) || !isLike(ID, conversationId)) return null;
      const known = isLike(TOKEN, token) ? token : undefined;
      return { userId, conversationId, token: known, resets: resets | 0 };
    } catch {
      return null;
    }
  }

  #write() {
    try {
      const { userId, conversationId, token, resets } = this.#talk;
      const value = JSON.stringify({ userId, conversationId, token, resets });
      this.#store?.setItem(this.#name, value);
    } catch {
      this.#store = null; // Full: what is stored would contradict us from now on.
    }
  }
}

/** One request, and what may end it early. */
class Effort {
  #stop = new AbortController();
  #timer;
  #signals;

  constructor(...signals) {
    this.#signals = signals.filter(Boolean);
    for (const signal of this.#signals) signal.addEventListener("abort", this.end);
    globalThis.addEventListener?.("offline", this.end);
    if (this.#signals.some((signal) => signal.aborted)) this.end();
  }

  get signal() {
    return this.#stop.signal;
  }

  within(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.end, ms);
  }

  async *events(response) {
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
    for (const signal of this.#signals) signal.removeEventListener("abort", this.end);
    globalThis.removeEventListener?.("offline", this.end);
    this.#stop.abort();
  };
}

/** How long a broken stream is worth waiting for. Time spent offline does not count. */
class Patience {
  #since = null;
  #failures = 0;
  #reconnects = 0;

  renew() {
    this.#since = null;
    this.#failures = 0;
  }

  /** Milliseconds until the next attempt; null: until the network is back. Or throws `error`. */
  afterFailure(error, { isReached, isOver }) {
    const isWorthIt = error.status === 0 || (isReached && error.retryable);
    if (isOver || !isWorthIt) throw error;
    if (isOffline()) return null;
    this.#since ??= performance.now();
    const longestMs = Math.min(LONGEST_MS, SHORTEST_MS * 2 ** ++this.#failures);
    const jitterMs = SHORTEST_MS + Math.random() * (longestMs - SHORTEST_MS);
    const waitMs = Math.max(jitterMs, (error.retryAfterSeconds ?? 0) * 1000);
    const endMs = this.#since + (isReached ? RECONNECTING_MS : UNREACHED_MS);
    const isTooLate = performance.now() + waitMs > endMs;
    if (isTooLate || ++this.#reconnects > MOST_RECONNECTS) throw error;
    return waitMs;
  }

  async wait(ms, ...signals) {
    const startedAt = performance.now();
    await pause(ms ?? OFFLINE_TRY_MS, ...signals);
    if (ms === null && this.#since !== null) this.#since += performance.now() - startedAt;
  }
}

function isLike(pattern, value) {
  return typeof value === "string" && pattern.test(value);
}

function isOffline() {
  return globalThis.navigator?.onLine === false;
}

/** Resolves after `ms`, when the network is back, or when a signal says to stop. */
function pause(ms, ...signals) {
  return new Promise((resolve) => {
    const targets = signals.filter(Boolean);
    const end = () => {
      clearTimeout(timer);
      globalThis.removeEventListener?.("online", end);
      for (const target of targets) target.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    globalThis.addEventListener?.("online", end);
    for (const target of targets) target.addEventListener("abort", end);
    if (targets.some((target) => target.aborted)) end();
  });
}

/** What the network gives; that it gives nothing is a ChatError like any other. */
async function answered(promise) {
  try {
    return await promise;
  } catch {
    throw new ChatError("network");
  }
}

async function refusal(response) {
  const problem = (await response.json().catch(() => null)) ?? {};
  const status = response.status;
  const requestId = problem.request_id ?? response.headers.get("X-Request-Id") ?? undefined;
  const retryAfterSeconds = secondsUntil(response.headers.get("Retry-After"));
  const told = { status, detail: problem.detail, retryAfterSeconds, requestId };
  return new ChatError(problem.code ?? `http_${status}`, told);
}

/** A Retry-After header in either form, RFC 9110 section 10.2.3. */
function secondsUntil(value) {
  if (!value) return undefined;
  if (/^\d+$/.test(value)) return Number(value);
  const seconds = Math.ceil((Date.parse(value) - Date.now()) / 1000);
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds);
}

/** An event as the reader of an answer sees it; null when it means nothing to us. */
function understood({ name: type, data }) {
  let value;
  try {
    value = Object(JSON.parse(data));
  } catch {
    return null;
  }
  const { turn_id: turnId, agent, name, confidence, text, state, reason } = value;
  switch (type) {
    case "turn":
      return { type, turnId };
    case "agent":
      return { type, agent, name, confidence };
    case "delta":
      return typeof text === "string" ? { type, text } : null;
    case "reset":
      return { type };
    case "tool":
      return { type, name, state };
    case "handoff":
      return { type, reason };
    case "done":
      return typeof value.message === "string" ? { type, answer: value } : null;
    case "error":
      return new ChatError(value.code ?? "network", { ...value, requestId: value.request_id });
    default:
      return null;
  }
}

function conversationPath({ conversationId }) {
  return `/api/conversations/${encodeURIComponent(conversationId)}`;
}

function isTokenRefused({ status, code }) {
  return status === 401 && /^visitor_token_/.test(code);
}

function isSaid({ isSaid, token }) {
  return Boolean(isSaid || token);
}

function isFirst(mine, found) {
  return Boolean(mine.token) || mine.conversationId < found.conversationId;
}
