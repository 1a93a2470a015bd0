// The few HTTP questions the pages ask, with the tab's token.

import { CallError, type CallCode } from "./calls";
import type { Role, Room } from "./wire";

/** `open`: the token opens this room. */
export type ListedRoom = Room & { people: number; open?: boolean };

export interface RoomList {
  rooms: ListedRoom[];
  you: { identity: string; name: string; role: Role };
}

/** Ask the server; rejects with CallError. */
export async function ask<T>(path: string, token: string, body?: object, method = body ? "POST" : "GET"): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers: { Authorization: `Bearer ${token}`, ...(body ? { "Content-Type": "application/json" } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
      signal: AbortSignal.timeout(10_000),
    });
  } catch (error) {
    throw new CallError((error as Error).name === "TimeoutError" ? "timeout" : "offline", String(error));
  }
  const answer = (await response.json().catch(() => ({}))) as { error?: { code: CallCode; message: string; retry_after_s?: number } } & T;
  if (response.ok) return answer;
  throw new CallError(answer.error?.code ?? (response.status === 503 ? "unavailable" : "internal"), answer.error?.message ?? response.statusText, answer.error?.retry_after_s);
}
