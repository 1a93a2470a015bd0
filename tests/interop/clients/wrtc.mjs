// libwebrtc in Node: `node wrtc.mjs publish|watch URL TOKEN`.

import wrtc from "@roamhq/wrtc";
import { exchange, report } from "./endpoint.mjs";

const { RTCPeerConnection, MediaStream, nonstandard } = wrtc;
const { RTCAudioSink, RTCAudioSource, RTCVideoSink, RTCVideoSource } = nonstandard;
const [what, url, token] = process.argv.slice(2);
const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
const heard = { frames: 0, width: 0, samples: 0 };

/** A picture whose stripes move, and a tone. */
function perform() {
  const stream = new MediaStream();
  const video = new RTCVideoSource();
  const audio = new RTCAudioSource();
  const [width, height] = [320, 240];
  let count = 0;
  setInterval(() => {
    count += 4;
    const data = new Uint8ClampedArray((width * height * 3) / 2).fill(128);
    for (let i = 0; i < width * height; i += 1) data[i] = ((i % width) + count) & 255;
    video.onFrame({ width, height, data });
  }, 66);
  let at = 0;
  setInterval(() => {
    const samples = new Int16Array(480);
    for (let i = 0; i < 480; i += 1) samples[i] = 8000 * Math.sin((2 * Math.PI * 440 * (at + i)) / 48_000);
    at += 480;
    audio.onData({ samples, sampleRate: 48_000, bitsPerSample: 16, channelCount: 1, numberOfFrames: 480 });
  }, 10);
  pc.addTransceiver(audio.createTrack(), { direction: "sendonly", streams: [stream] });
  pc.addTransceiver(video.createTrack(), {
    direction: "sendonly",
    streams: [stream],
    sendEncodings: [{ rid: "q", scaleResolutionDownBy: 2 }, { rid: "f", scaleResolutionDownBy: 1 }],
  });
}

/** Count what is decoded. */
function watch() {
  pc.addTransceiver("audio", { direction: "recvonly" });
  pc.addTransceiver("video", { direction: "recvonly" });
  pc.ontrack = ({ track }) => {
    if (track.kind === "video") {
      new RTCVideoSink(track).onframe = ({ frame }) => {
        heard.frames += 1;
        heard.width = frame.width;
      };
    } else {
      new RTCAudioSink(track).ondata = ({ samples }) => {
        if (samples.some((sample) => Math.abs(sample) > 100)) heard.samples += samples.length;
      };
    }
  };
}

(what === "publish" ? perform : watch)();
await pc.setLocalDescription(await pc.createOffer());
const { answer, end } = await exchange(url, token, pc.localDescription.sdp);
await pc.setRemoteDescription({ type: "answer", sdp: answer });
await report(
  () => ({ state: pc.connectionState, ...heard }),
  async () => {
    await end();
    pc.close();
  },
);
