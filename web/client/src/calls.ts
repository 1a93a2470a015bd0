// Why a command got no answer, or a refusal: the server's code, or one of ours.

import type { Code } from "./wire";

/** `offline`: not connected; `timeout`: no answer in time. Both leave open whether the server acted. */
export type CallCode = Code | "offline" | "timeout";

export class CallError extends Error {
  constructor(
    readonly code: CallCode,
    message: string,
    readonly retryAfter_s?: number,
  ) {
    super(message);
    this.name = "CallError";
  }
}

/** Drop what msgpack would send as an extension type: keys that are undefined, at any depth. */
export function plain<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}
