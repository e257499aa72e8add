// WAV of 16-bit samples, read as it is: the server hears exactly these samples. A browser would resample them.

const PCM = 1;
const EXTENSIBLE = 0xfffe;
const RATES = [8000, 48000];

// Samples and their rate, the mean of several channels; null where it is anything else.
export function readWave(bytes) {
  const view = new DataView(bytes);
  const name = (at) => String.fromCharCode(...new Uint8Array(bytes, at, 4));
  if (view.byteLength < 12 || name(0) !== "RIFF" || name(8) !== "WAVE") return null;
  let format = null;
  for (let at = 12; at + 8 <= view.byteLength; ) {
    const size = view.getUint32(at + 4, true);
    const start = at + 8;
    if (name(at) === "fmt " && size >= 16 && start + size <= view.byteLength) {
      const kind = view.getUint16(start, true);
      format = {
        kind: kind === EXTENSIBLE && size >= 26 ? view.getUint16(start + 24, true) : kind,
        channels: view.getUint16(start + 2, true),
        rate: view.getUint32(start + 4, true),
        bits: view.getUint16(start + 14, true),
      };
    }
    if (name(at) === "data") {
      return format && usable(format) ? read(view, start, Math.min(size, view.byteLength - start), format) : null;
    }
    at = start + size + (size % 2);
  }
  return null;
}

function usable({ kind, channels, rate, bits }) {
  return kind === PCM && bits === 16 && channels > 0 && rate >= RATES[0] && rate <= RATES[1];
}

function read(view, start, size, { channels, rate }) {
  const samples = new Int16Array(Math.floor(size / (2 * channels)));
  for (let n = 0; n < samples.length; n++) {
    let sum = 0;
    for (let c = 0; c < channels; c++) sum += view.getInt16(start + 2 * (n * channels + c), true);
    samples[n] = Math.round(sum / channels);
  }
  return { samples, rate };
}
