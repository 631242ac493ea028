/** The size of a page of WebAssembly's memory. */
const PAGE_BYTES = 65_536;
const HEADER_BYTES = 8;
const MEMORY_SECTION = 5;

/**
 * Bounds the memory that a WebAssembly module declares for itself (WebAssembly Core, §5.5.8): past it,
 * `memory.grow` fails.
 *
 * @param module A module of ours with one memory that has no maximum, as Go's linker writes it.
 * @returns a copy of the module.
 * @throws {RangeError} when the module begins with more memory than that, or has no such memory.
 */
export function limitWasmMemory(module: Uint8Array, maxBytes: number): Uint8Array<ArrayBuffer> {
  let at = HEADER_BYTES;
  while (at < module.length) {
    const size = readUnsigned(module, at + 1);
    const end = size.next + size.value;
    if (module[at] === MEMORY_SECTION) {
      const count = readUnsigned(module, size.next);
      const flags = readUnsigned(module, count.next);
      const minimum = readUnsigned(module, flags.next);
      const maximum = Math.floor(maxBytes / PAGE_BYTES);
      if (count.value !== 1 || flags.value !== 0 || minimum.value > maximum) {
        throw new RangeError(
          `Cannot limit the memory of a WebAssembly module to ${maxBytes} bytes`,
        );
      }
      const body = [1, 1, ...encodeUnsigned(minimum.value), ...encodeUnsigned(maximum)];
      const section = [MEMORY_SECTION, ...encodeUnsigned(body.length), ...body];
      return joined(module.subarray(0, at), Uint8Array.from(section), module.subarray(end));
    }
    at = end;
  }
  throw new RangeError("Cannot limit the memory of a WebAssembly module: it declares none");
}

/** LEB128, as far as it is used here: up to 32 bits. */
function readUnsigned(bytes: Uint8Array, start: number): { value: number; next: number } {
  let value = 0;
  let at = start;
  for (let factor = 1; ; factor *= 128) {
    const byte = bytes[at] ?? 0;
    at += 1;
    value += (byte % 128) * factor;
    if (byte < 128) return { value, next: at };
  }
}

function encodeUnsigned(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...encodeUnsigned(Math.floor(value / 128))];
}

function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
