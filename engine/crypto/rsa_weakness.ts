const PUBLIC_EXPONENT = 65_537n;
const SMALL_FACTORS_BELOW = 752;
/** The largest prime whose residues give a ROCA key away (CVE-2017-15361), as in the published test. */
const LARGEST_ROCA_PRIME = 167;
const FERMAT_ROUNDS = 100;

/**
 * What makes an RSA public key unfit, as the "good key" policy of public certificate authorities has
 * it: an exponent other than 65537, a small factor, the structure of keys made by the faulty
 * Infineon library (ROCA), two primes so close that Fermat's method finds them.
 *
 * @param modulus Big-endian, unsigned.
 * @param allowed An exponent that is taken beside 65537.
 * @returns The reason, or nothing for a key that shows none of these.
 */
export function findRsaWeakness(
  modulus: Uint8Array,
  exponent: Uint8Array,
  allowed: bigint = PUBLIC_EXPONENT,
): string | undefined {
  const n = toBigInt(modulus);
  const e = toBigInt(exponent);
  if (e !== PUBLIC_EXPONENT && e !== allowed) {
    return `its public exponent is ${e}, expected ${PUBLIC_EXPONENT}`;
  }
  const primes = primesBelow(SMALL_FACTORS_BELOW);
  const factor = primes.find((prime) => n % BigInt(prime) === 0n);
  if (factor !== undefined) return `its modulus is divisible by ${factor}`;
  const telling = primes.filter((prime) => prime > 2 && prime <= LARGEST_ROCA_PRIME);
  if (telling.every((prime) => isPowerOfExponent(Number(n % BigInt(prime)), prime))) {
    return "its modulus has the structure of CVE-2017-15361 (ROCA)";
  }
  return hasClosePrimes(n) ? "the primes of its modulus are too close" : undefined;
}

/** Whether `residue` is a power of 65537 modulo `prime`: so for all primes with ROCA, for few without. */
function isPowerOfExponent(residue: number, prime: number): boolean {
  const generator = Number(PUBLIC_EXPONENT % BigInt(prime));
  let power = 1;
  do {
    if (power === residue) return true;
    power = (power * generator) % prime;
  } while (power !== 1);
  return false;
}

function hasClosePrimes(n: bigint): boolean {
  let a = squareRoot(n);
  if (a * a < n) a += 1n;
  for (let round = 0; round < FERMAT_ROUNDS; round++, a += 1n) {
    const rest = a * a - n;
    const root = squareRoot(rest);
    if (root * root === rest) return true;
  }
  return false;
}

/** The integer part of the square root, by Newton's method. */
function squareRoot(n: bigint): bigint {
  if (n < 2n) return n;
  let x = 1n << BigInt((n.toString(16).length * 4 + 1) >> 1);
  for (;;) {
    const next = (x + n / x) >> 1n;
    if (next >= x) return x;
    x = next;
  }
}

function primesBelow(limit: number): readonly number[] {
  const primes: number[] = [];
  for (let n = 2; n < limit; n++) if (primes.every((prime) => n % prime !== 0)) primes.push(n);
  return primes;
}

function toBigInt(bytes: Uint8Array): bigint {
  return BigInt(`0x0${bytes.toHex()}`);
}
