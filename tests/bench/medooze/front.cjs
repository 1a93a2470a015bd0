// Medooze's media server with one endpoint, spoken to by HTTP: POST /take/N sends it the offer of a
// publisher of stream N, POST /give/N that of a session that watches it. Both are answered 201 with SDP.
"use strict";
const http = require("node:http");
const medooze = require("medooze-media-server");
const { SDPInfo } = require("semantic-sdp");

const { BENCH_ADDRESS, BENCH_PORT } = process.env;
const extensions = ["urn:ietf:params:rtp-hdrext:sdes:mid"];
const capabilities = {
  audio: { codecs: ["opus"], extensions },
  video: {
    codecs: ["vp8"],
    extensions,
    rtcpfbs: [{ id: "nack" }, { id: "nack", params: ["pli"] }, { id: "ccm", params: ["fir"] }],
  },
};
// What the load offers too, in this order.
const options = { srtpProtectionProfiles: "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80" };

for (const quiet of ["enableLog", "enableDebug", "enableUltraDebug"]) medooze[quiet](false);
const endpoint = medooze.createEndpoint(BENCH_ADDRESS);
const taken = new Map();

function connect(offer) {
  const transport = endpoint.createTransport(offer, null, options);
  transport.setRemoteProperties({ audio: offer.getMedia("audio"), video: offer.getMedia("video") });
  const answer = offer.answer({
    dtls: transport.getLocalDTLSInfo(),
    ice: transport.getLocalICEInfo(),
    candidates: endpoint.getLocalCandidates(),
    capabilities,
  });
  transport.setLocalProperties({ audio: answer.getMedia("audio"), video: answer.getMedia("video") });
  return { transport, answer };
}

const doors = {
  take(stream, offer) {
    const { transport, answer } = connect(offer);
    const [sent] = offer.getStreams().values();
    taken.set(stream, transport.createIncomingStream(sent));
    return answer;
  },
  give(stream, offer) {
    const { transport, answer } = connect(offer);
    const outgoing = transport.createOutgoingStream({ audio: true, video: true });
    outgoing.attachTo(taken.get(stream));
    answer.addStream(outgoing.getStreamInfo());
    return answer;
  },
};

async function serve(request, response) {
  try {
    const [, door, stream] = request.url.split("/");
    let text = "";
    for await (const part of request) text += part;
    const answer = doors[door](stream, SDPInfo.parse(text));
    response.writeHead(201, { "Content-Type": "application/sdp" }).end(answer.toString());
  } catch (error) {
    response.writeHead(400).end(String(error.stack));
  }
}

http.createServer(serve).listen(Number(BENCH_PORT), "127.0.0.1");
