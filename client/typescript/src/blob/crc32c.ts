// biome-ignore-all lint/style/noNonNullAssertion: every index is within its table by construction, and this runs for each byte.
/** CRC-32C (Castagnoli), by which each chunk of a large value is checked. */

const POLYNOMIAL = 0x82f63b78;

/** Eight tables, so that eight bytes are taken at a time. */
const TABLES: readonly Int32Array[] = (() => {
  const tables = Array.from({ length: 8 }, () => new Int32Array(256));
  const first = tables[0] as Int32Array;
  for (let byte = 0; byte < 256; byte += 1) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    first[byte] = crc;
  }
  for (let byte = 0; byte < 256; byte += 1) {
    let crc = first[byte] as number;
    for (let table = 1; table < 8; table += 1) {
      crc = (first[crc & 0xff] as number) ^ (crc >>> 8);
      (tables[table] as Int32Array)[byte] = crc;
    }
  }
  return tables;
})();

/** The checksum of bytes that follow others with the checksum `before`. */
export function crc32c(bytes: Uint8Array, before = 0): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = TABLES as [
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
  ];
  let crc = ~before;
  let at = 0;
  const eights = bytes.length - (bytes.length % 8);
  const b = bytes as { readonly [index: number]: number };
  for (; at < eights; at += 8) {
    const low = crc ^ (b[at]! | (b[at + 1]! << 8) | (b[at + 2]! << 16) | (b[at + 3]! << 24));
    crc =
      t7[low & 0xff]! ^
      t6[(low >>> 8) & 0xff]! ^
      t5[(low >>> 16) & 0xff]! ^
      t4[low >>> 24]! ^
      t3[b[at + 4]!]! ^
      t2[b[at + 5]!]! ^
      t1[b[at + 6]!]! ^
      t0[b[at + 7]!]!;
  }
  for (; at < bytes.length; at += 1) {
    crc = t0[(crc ^ b[at]!) & 0xff]! ^ (crc >>> 8);
  }
  return ~crc >>> 0;
}

/** `x` to the power `2^n`, modulo the polynomial, for each bit of a length in bits. */
const POWERS: readonly number[] = (() => {
  const powers = [0x40000000];
  for (let n = 1; n < 64; n += 1) {
    const last = powers[n - 1] as number;
    powers.push(multiply(last, last));
  }
  return powers;
})();

/** The checksum of two parts: of the first, of the second, and the second's bytes. */
export function crc32cCombine(first: number, second: number, secondBytes: number): number {
  let shift = 0x80000000 | 0;
  let bits = secondBytes;
  // A byte is eight bits: powers are counted from the third on.
  for (let n = 3; bits > 0; n += 1) {
    if (bits % 2 === 1) shift = multiply(shift, POWERS[n] as number);
    bits = Math.floor(bits / 2);
  }
  return (multiply(shift, first | 0) ^ second) >>> 0;
}

/** The product of two polynomials, reflected, modulo the polynomial. */
function multiply(a: number, b: number): number {
  let product = 0;
  let factor = b | 0;
  for (let mask = 0x80000000; mask !== 0; mask >>>= 1) {
    if ((a & mask) !== 0) product ^= factor;
    factor = factor & 1 ? (factor >>> 1) ^ POLYNOMIAL : factor >>> 1;
  }
  return product;
}
