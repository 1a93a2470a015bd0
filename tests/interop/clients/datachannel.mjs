// libdatachannel in Node, as in OBS: `node datachannel.mjs publish|watch URL TOKEN [FFMPEG]`.
// It encodes and decodes nothing: FFmpeg makes the packets, and what comes is counted.

import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import ndc from "node-datachannel";
import { exchange, report } from "./endpoint.mjs";

const [what, url, token, ffmpeg] = process.argv.slice(2);
const pc = new ndc.PeerConnection("yunhai", { iceServers: [] });
const counted = { frames: 0, packets: 0, sounds: 0 };
let encoder = null;
let state = "new";
pc.onStateChange((now) => { state = now; });
const gathered = new Promise((done) => pc.onGatheringStateChange((now) => now === "complete" && done()));

function line(kind, direction, ssrc) {
  const media = kind === "video" ? new ndc.Video("video", direction) : new ndc.Audio("audio", direction);
  if (kind === "audio") media.addOpusCodec(111);
  else if (direction === "SendOnly") media.addH264Codec(96);
  else {
    media.addVP8Codec(97);
    media.addH264Codec(96);
  }
  if (ssrc) media.addSSRC(ssrc, "yunhai", "stream", kind);
  return pc.addTrack(media);
}

/** Packets that FFmpeg sends to a socket of ours go into the track. */
async function pipe(track) {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  socket.on("message", (packet) => {
    const rtcp = packet[1] >= 192 && packet[1] <= 223;
    if (!rtcp && track.isOpen()) track.sendMessageBinary(packet);
  });
  return socket.address().port;
}

if (what === "publish") {
  const video = await pipe(line("video", "SendOnly", 42));
  const audio = await pipe(line("audio", "SendOnly", 43));
  encoder = spawn(ffmpeg, [
    "-hide_banner", "-loglevel", "error", "-nostdin", "-re",
    "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=15", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000",
    "-map", "0:v", "-c:v", "libx264", "-profile:v", "baseline", "-pix_fmt", "yuv420p", "-tune", "zerolatency", "-preset", "ultrafast", "-g", "15", "-b:v", "400k",
    "-f", "rtp", "-payload_type", "96", "-ssrc", "42", `rtp://127.0.0.1:${video}?pkt_size=1200`,
    "-map", "1:a", "-c:a", "libopus", "-ac", "2", "-f", "rtp", "-payload_type", "111", "-ssrc", "43", `rtp://127.0.0.1:${audio}?pkt_size=1200`,
  ], { stdio: ["ignore", "ignore", "inherit"] });
} else {
  const video = line("video", "RecvOnly");
  const audio = line("audio", "RecvOnly");
  for (const track of [video, audio]) track.setMediaHandler(new ndc.RtcpReceivingSession());
  video.onMessage((packet) => {
    counted.packets += 1;
    if (packet[1] & 0x80) counted.frames += 1;
  });
  video.onOpen(() => video.requestKeyframe());
  audio.onMessage(() => { counted.sounds += 1; });
}
pc.setLocalDescription("offer");
await gathered;
const { answer, end } = await exchange(url, token, pc.localDescription().sdp);
pc.setRemoteDescription(answer, "answer");
await report(
  () => ({ state, ...counted }),
  async () => {
    encoder?.kill();
    await end();
    pc.close();
    ndc.cleanup();
  },
);
