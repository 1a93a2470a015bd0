import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Relays } from "../src/relays";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("what opens the relays is asked for again before it ends, and no more after the end", async () => {
  let asked = 0;
  const relays = new Relays(async () => [{ urls: "turn:t.example", username: String((asked += 1)) }]);
  await vi.advanceTimersByTimeAsync(0);
  expect(relays.servers[0]?.username).toBe("1");
  await vi.advanceTimersByTimeAsync(5 * 60_000);
  expect(relays.servers[0]?.username).toBe("2");
  relays.stop();
  await vi.advanceTimersByTimeAsync(60 * 60_000);
  expect(asked).toBe(2);
});

test("without an answer the old ones stay, and it is tried again soon", async () => {
  const answers = [[{ urls: "turn:t.example" }], null, [{ urls: "turn:u.example" }]];
  const relays = new Relays(async () => answers.shift() ?? Promise.reject(new Error("offline")));
  await vi.advanceTimersByTimeAsync(4 * 60_000);
  expect(relays.servers).toEqual([{ urls: "turn:t.example" }]);
  await vi.advanceTimersByTimeAsync(15_000);
  expect(relays.servers).toEqual([{ urls: "turn:u.example" }]);
  relays.stop();
});

test("a connection that starts anew is given the latest, and one that refuses them does not matter", async () => {
  const relays = new Relays(async () => [{ urls: "turn:t.example" }]);
  await vi.advanceTimersByTimeAsync(0);
  const setConfiguration = vi.fn();
  const pc = { getConfiguration: () => ({ bundlePolicy: "max-bundle", iceServers: [] }), setConfiguration } as unknown as RTCPeerConnection;
  relays.renew(pc);
  expect(setConfiguration).toHaveBeenCalledWith({ bundlePolicy: "max-bundle", iceServers: [{ urls: "turn:t.example" }] });
  setConfiguration.mockImplementation(() => { throw new Error("InvalidModificationError"); });
  expect(() => relays.renew(pc)).not.toThrow();
  relays.stop();
});
