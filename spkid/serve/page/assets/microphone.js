// The microphone as a WAV file: 16-bit PCM, one channel, at the rate at which it records.

// `code`: insecure, old_browser, no_permission, no_microphone or microphone_busy.
export class NoMicrophone extends Error {
  constructor(code) {
    super(code);
    this.code = code;
  }
}

const FLUSH_MS = 2000; // then the audio thread is gone, and what came before is taken
const REASONS = {
  NotAllowedError: "no_permission",
  SecurityError: "no_permission",
  NotFoundError: "no_microphone",
  OverconstrainedError: "no_microphone",
  NotReadableError: "microphone_busy",
  AbortError: "microphone_busy",
};
// what makes calls pleasant takes away what tells voices apart
const SOUND = {
  channelCount: 1,
  echoCancellation: false,
  noiseSuppression: false,
  autoGainControl: false,
};

async function openMicrophone() {
  if (!window.isSecureContext) throw new NoMicrophone("insecure");
  if (!navigator.mediaDevices?.getUserMedia || !window.AudioWorkletNode) {
    throw new NoMicrophone("old_browser");
  }
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: SOUND });
  } catch (error) {
    throw new NoMicrophone(REASONS[error.name] ?? "microphone_busy");
  }
}

export function wavOf(pieces, rate_hz) {
  const nSamples = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const bytes = new DataView(new ArrayBuffer(44 + 2 * nSamples));
  const write = (at, text) =>
    [...text].forEach((letter, k) => bytes.setUint8(at + k, letter.charCodeAt(0)));
  write(0, "RIFF");
  bytes.setUint32(4, 36 + 2 * nSamples, true);
  write(8, "WAVEfmt ");
  bytes.setUint32(16, 16, true);
  bytes.setUint16(20, 1, true); // PCM
  bytes.setUint16(22, 1, true); // channels
  bytes.setUint32(24, rate_hz, true);
  bytes.setUint32(28, 2 * rate_hz, true);
  bytes.setUint16(32, 2, true);
  bytes.setUint16(34, 16, true); // bits a sample
  write(36, "data");
  bytes.setUint32(40, 2 * nSamples, true);
  let at = 44;
  for (const piece of pieces) {
    for (const sample of piece) {
      bytes.setInt16(at, Math.round(Math.max(-1, Math.min(1, sample)) * 32767), true);
      at += 2;
    }
  }
  return new Blob([bytes.buffer], { type: "audio/wav" });
}

// Starts to record; `onLevel(peak, seconds)` is called some twenty times a second, peak 0 to 1.
export async function record(onLevel) {
  const stream = await openMicrophone();
  const context = new AudioContext({ latencyHint: "playback" }); // long buffers: fewer gaps
  const pieces = [];
  let node;
  const close = () => {
    stream.getTracks().forEach((track) => track.stop());
    return context.state === "closed" ? null : context.close();
  };
  try {
    await context.audioWorklet.addModule("/assets/capture.js");
    await context.resume();
    node = new AudioWorkletNode(context, "capture", {
      channelCount: 1,
      channelCountMode: "explicit",
    });
  } catch (error) {
    close();
    throw error;
  }
  let nSamples = 0;
  let flushed;
  const isFlushed = new Promise((resolve) => (flushed = resolve));
  node.port.onmessage = ({ data }) => {
    if (data === null) return flushed();
    pieces.push(data);
    nSamples += data.length;
    onLevel(
      data.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0),
      nSamples / context.sampleRate,
    );
  };
  const source = context.createMediaStreamSource(stream);
  source.connect(node).connect(context.destination); // it gives out silence, but is asked for it
  return {
    async stop() {
      node.port.postMessage("stop");
      await Promise.race([isFlushed, new Promise((over) => setTimeout(over, FLUSH_MS))]);
      source.disconnect();
      await close();
      return wavOf(pieces, context.sampleRate);
    },
    cancel: close,
  };
}
