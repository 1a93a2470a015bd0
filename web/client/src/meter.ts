// Hearing without words: the level of a track, and a short test tone for the loudspeaker.

let context: AudioContext | null = null;

/** The page's one audio context; made on first use, resumed by the next gesture if it must be. */
export function audioContext(): AudioContext {
  context ??= new AudioContext();
  if (context.state === "suspended") void context.resume();
  return context;
}

/** Report a track's level, 0 to 1, about 15 times a second, until the returned function is called. */
export function watchLevel(track: MediaStreamTrack, report: (level: number) => void): () => void {
  const audio = audioContext();
  const source = audio.createMediaStreamSource(new MediaStream([track]));
  const analyser = audio.createAnalyser();
  analyser.fftSize = 1024;
  source.connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
    // −60 dB (a quiet room) to −10 dB (a loud voice), as a person hears it.
    const decibel = 10 * Math.log10(power || 1e-9);
    report(Math.min(1, Math.max(0, (decibel + 60) / 50)));
  }, 66);
  return () => {
    clearInterval(timer);
    source.disconnect();
  };
}

/** Play two soft notes on the chosen loudspeaker; resolves when they have ended. */
export async function playTestTone(speaker: string): Promise<void> {
  const audio = audioContext();
  const out = audio.createMediaStreamDestination();
  const element = new Audio();
  element.srcObject = out.stream;
  if (speaker && "setSinkId" in element) await element.setSinkId(speaker).catch(() => {});
  await element.play();
  const start = audio.currentTime + 0.05;
  [523.25, 783.99].forEach((pitch, index) => {
    const note = audio.createOscillator();
    const volume = audio.createGain();
    const at = start + index * 0.45;
    note.frequency.value = pitch;
    volume.gain.setValueAtTime(0, at);
    volume.gain.linearRampToValueAtTime(0.25, at + 0.03);
    volume.gain.exponentialRampToValueAtTime(0.001, at + 0.6);
    note.connect(volume).connect(out);
    note.start(at);
    note.stop(at + 0.65);
  });
  await new Promise((done) => setTimeout(done, 1_300));
  element.srcObject = null;
}
