// Runs beside the page, in the audio thread: hands the microphone's samples over in pieces.

const PIECE = 2048;

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.piece = new Float32Array(PIECE);
    this.filled = 0;
    this.isOver = false;
    this.port.onmessage = () => {
      this.hand(this.filled);
      this.port.postMessage(null);
      this.isOver = true;
    };
  }

  hand(length) {
    const samples = this.piece.slice(0, length);
    this.port.postMessage(samples, [samples.buffer]);
    this.filled = 0;
  }

  process([channels]) {
    const samples = channels?.[0];
    if (samples) {
      // a piece holds a whole number of blocks, which are 128 samples in every browser
      this.piece.set(samples, this.filled);
      this.filled += samples.length;
      if (this.filled + samples.length > PIECE) this.hand(this.filled);
    }
    return !this.isOver;
  }
}

registerProcessor("capture", Capture);
