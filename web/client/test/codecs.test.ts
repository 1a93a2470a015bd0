import { beforeEach, expect, test, vi } from "vitest";

beforeEach(() => {
  vi.resetModules();
  vi.unstubAllGlobals();
});

async function browserWith(...mimeTypes: string[]) {
  vi.stubGlobal("RTCRtpReceiver", { getCapabilities: () => ({ codecs: mimeTypes.map((mimeType) => ({ mimeType })) }) });
  return (await import("../src/codecs")).decodable;
}

test("a picture in a codec the browser lists can be shown, whatever the spelling", async () => {
  const decodable = await browserWith("video/VP8", "video/rtx", "video/AV1");
  expect(decodable({ codec: "vp8", source: "camera" })).toBe(true);
  expect(decodable({ codec: "AV1", source: "screen" })).toBe(true);
});

test("a picture in any other cannot, but sound can", async () => {
  const decodable = await browserWith("video/VP8");
  expect(decodable({ codec: "H264", source: "camera" })).toBe(false);
  expect(decodable({ codec: "opus", source: "microphone" })).toBe(true);
});

test("a browser that does not say is given the benefit of the doubt", async () => {
  vi.stubGlobal("RTCRtpReceiver", undefined);
  const { decodable } = await import("../src/codecs");
  expect(decodable({ codec: "H264", source: "camera" })).toBe(true);
});
