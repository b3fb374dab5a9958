// Types of the widget: of `Coccinelle`, its events, its custom elements and the transport module.
// Keep a copy in your project, or refer to it: /// <reference path="./coccinelle.d.ts" />

declare namespace Coccinelle {
  type Language = "fr" | "en";
  type Position = "left" | "right";

  /** Who the visitor is. `hmac`: HMAC-SHA256 of `id`, in lower-case hex, made by your server. */
  interface User {
    id: string;
    email?: string;
    hmac: string;
  }

  interface Source {
    title: string;
    url: string | null;
    /** 0 to 1. */
    score: number;
  }

  /** What is told when something happens, by the event's name. */
  interface Events {
    /** The launcher is drawn. */
    ready: null | undefined;
    open: null;
    close: null;
    /** The visitor said something. */
    message: { id: string; text: string };
    /** An answer is complete, or `text` is empty: a person answers. `agent` is a key, or `escalate`. */
    turn: {
      turnId: string;
      agent: string;
      name: string;
      text: string;
      sources: Source[];
      handoff: boolean;
    };
    /** The visitor asked for a person in the form. */
    handoff: { id: string };
    error: { code: string; message: string };
  }

  /** `window.Coccinelle`; also what each of the custom elements can do. */
  interface Controls {
    /** Opens the panel; settles when it is shown, or could not be (see the event `error`). */
    open(): Promise<void> | undefined;
    close(): void;
    toggle(): Promise<void> | undefined;
    /** Opens the panel and says `text` for the visitor. */
    send(text: string): Promise<void> | undefined;
    /** Tells who the visitor is; null: nobody any more. */
    identify(user: User | null): void;
    /** Calls `fn` each time; gives the function that ends it. */
    on<Name extends keyof Events>(name: Name, fn: (detail: Events[Name]) => void): () => void;
    /** Forgets the conversation. */
    reset(): void;
    /** Takes the widget off the page, with all that it does. */
    remove(): void;
  }

  interface Api extends Readonly<Controls> {
    readonly version: string;
  }

  /** `<coccinelle-widget>`, the launcher, and `<coccinelle-chat>`, the panel in its own box. */
  interface Element extends HTMLElement, Controls {
    on: Controls["on"];
    remove(): void;
  }

  type DomEvents = {
    [Name in keyof Events as `coccinelle:${Name}`]: CustomEvent<Events[Name]>;
  };

  /** What the widget shows before anybody wrote. */
  interface Config {
    company: string;
    language: Language;
    /** That an AI answers: to be shown before a first message can be sent. */
    disclosure: string;
    greeting: string;
    agent: { key: string; name: string } | null;
    /** `#rrggbb`. */
    color: string | null;
    position: Position | null;
    reply_promise: string;
    message_chars: number;
    link_hosts: string[];
  }

  /** The whole answer to a message. */
  interface Answer {
    conversation_id: string;
    message: string;
    agent: string;
    confidence: number;
    reasoning: string;
    timestamp: string;
    turn_id: string;
    sources: Source[];
    handoff: boolean;
    /** "handed_over": a person reads the message, and `message` is empty. */
    outcome: "answered" | "escalated" | "handed_over" | "interrupted";
    variant: string;
    /** The text was cut. */
    interrupted?: true;
  }

  /** One thing that was said. */
  interface HistoryItem {
    id: string;
    author: "customer" | "agent" | "person";
    text: string;
    timestamp: string;
    turn_id: string | null;
    agent: string | null;
    name: string | null;
    outcome: string | null;
    feedback: 1 | -1 | null;
    sources: Source[];
  }

  type TurnEvent =
    | { type: "turn"; turnId: string }
    | { type: "agent"; agent: string; name: string; confidence: number }
    | { type: "delta"; text: string }
    /** Drop the text so far. */
    | { type: "reset" }
    | { type: "tool"; name: string; state: string }
    | { type: "handoff"; reason: string }
    /** It is reconnecting; null: when the network is back. */
    | { type: "waiting"; seconds: number | null }
    | { type: "done"; answer: Answer };
}

declare var Coccinelle: Coccinelle.Api;

interface Window {
  readonly Coccinelle: Coccinelle.Api;
}

interface HTMLElementTagNameMap {
  "coccinelle-widget": Coccinelle.Element;
  "coccinelle-chat": Coccinelle.Element;
}

interface WindowEventMap extends Coccinelle.DomEvents {}
interface DocumentEventMap extends Coccinelle.DomEvents {}
interface HTMLElementEventMap extends Coccinelle.DomEvents {}

/** `import { Transport } from "https://HOST/widget/transport.js"`: the conversation, headless. */
declare module "*/widget/transport.js" {
  /** `code` is the server's, `network`, `aborted` or `http_<status>`; `detail` a sentence or "". */
  export class ChatError extends Error {
    readonly code: string;
    readonly status: number;
    readonly detail: string;
    readonly retryable: boolean;
    readonly retryAfterSeconds?: number;
    readonly requestId?: string;
  }

  /** A random id. */
  export function newId(): string;

  /** A visitor's conversation; what fails rejects with a `ChatError`. */
  export class Transport {
    constructor(options: {
      /** Origin of the Coccinelle server. */
      base: string;
      key?: string;
      language?: Coccinelle.Language;
      /** "memory": nothing is stored in the browser. */
      storage?: "local" | "memory";
    });
    /** Another tab wrote, or it is another conversation now. */
    onchange: ((what: "message" | "conversation") => void) | null;
    /** An `identify` was refused. */
    onerror: ((error: ChatError) => void) | null;
    /** Null before `begin()`. */
    readonly conversation: { userId: string; conversationId: string } | null;
    /** Whether this browser has a conversation, from an earlier page or another tab. */
    readonly isStored: boolean;
    /** Of a person, as the last `history()` says: asked for ("open"), or answering ("claimed"). */
    readonly presence: { state?: "open" | "claimed" | null; name?: string | null };
    begin(): { userId: string; conversationId: string };
    config(signal?: AbortSignal): Promise<Coccinelle.Config>;
    /** Oldest first; with `after`, what was said after that `seq`. */
    history(after?: number): Promise<Coccinelle.HistoryItem[]>;
    /** Says `text` once; to try again after a failure, give the same `messageId`. */
    send(
      text: string,
      options?: { messageId?: string; signal?: AbortSignal },
    ): AsyncGenerator<Coccinelle.TurnEvent, void, void>;
    handoff(how?: {
      email?: string;
      phone?: string;
      note?: string;
    }): Promise<{ id: string; conversation_id: string; status: "open" }>;
    feedback(turnId: string, score: 1 | -1, comment?: string): Promise<unknown>;
    identify(user: Coccinelle.User | null): void;
    /** Begins another conversation, in every tab. */
    reset(): void;
    /** Stops everything, for good. */
    close(): void;
  }
}
