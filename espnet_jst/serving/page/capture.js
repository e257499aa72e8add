// In the audio thread: blocks of 128 samples in, packets of a twentieth of a second out, as 16-bit samples.

const PACKET_S = 0.05;

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.packet = new Int16Array(Math.round(PACKET_S * sampleRate));
    this.filled = 0;
  }

  process([channels]) {
    const count = channels.length;
    for (let k = 0; count && k < channels[0].length; k++) {
      let sum = 0;
      for (const channel of channels) sum += channel[k];
      this.packet[this.filled++] = Math.max(-32768, Math.min(32767, Math.round((sum / count) * 32768)));
      if (this.filled === this.packet.length) {
        this.port.postMessage(this.packet.slice());
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("capture", Capture);
