// Audio by its place in the session: what a new connection may need is kept, and of everything the loudness.

export const PEAKS_PER_S = 100;

export class Held {
  constructor(rate) {
    this.rate = rate;
    this.blocks = [];
    this.start = 0; // the first sample that is kept
    this.end = 0;
    this.peaks = []; // of each hundredth of a second the loudest sample, 0 to 1
    this.loudest = 0;
    this.counted = 0;
  }

  push(samples) {
    this.blocks.push(samples);
    this.end += samples.length;
    const size = this.rate / PEAKS_PER_S;
    for (const sample of samples) {
      this.loudest = Math.max(this.loudest, Math.abs(sample));
      if (++this.counted >= (this.peaks.length + 1) * size) {
        this.peaks.push(this.loudest / 32768);
        this.loudest = 0;
      }
    }
  }

  // Samples from a place on, at most so many, none where they are not kept.
  take(place, count) {
    let first = this.start;
    for (const block of this.blocks) {
      if (place >= first && place < first + block.length) {
        return block.subarray(place - first, Math.min(block.length, place - first + count));
      }
      first += block.length;
    }
    return new Int16Array(0);
  }

  // Let go of blocks that end before a place.
  forget(place) {
    while (this.blocks.length && this.start + this.blocks[0].length <= place) {
      this.start += this.blocks.shift().length;
    }
  }
}
