import { describe, expect, test } from "bun:test";
import { limitWasmMemory } from "../../../engine/conditions/wasm_memory.ts";

const PAGE = 65_536;
const HEADER = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
/** One memory of `pages` (below 128) without a maximum, exported as "m". */
const withMemory = (pages: number): Uint8Array =>
  Uint8Array.from([...HEADER, 5, 3, 1, 0, pages, 7, 5, 1, 1, 0x6d, 2, 0]);

async function memoryOf(module: Uint8Array<ArrayBuffer>): Promise<WebAssembly.Memory> {
  const { instance } = await WebAssembly.instantiate(module, {});
  const { m } = instance.exports;
  if (!(m instanceof WebAssembly.Memory)) throw new Error("The module exports no memory");
  return m;
}

describe("limitWasmMemory()", () => {
  test("lets the memory grow up to the limit and not further", async () => {
    const memory = await memoryOf(limitWasmMemory(withMemory(2), 200 * PAGE + 1));
    expect(memory.grow(198)).toBe(2);
    expect(() => memory.grow(1)).toThrow();
    expect(memory.buffer.byteLength).toBe(200 * PAGE);
  });

  test("leaves the module it is given as it is", () => {
    const module = withMemory(2);
    const before = module.slice();
    limitWasmMemory(module, 10 * PAGE);
    expect(module).toEqual(before);
  });

  test("refuses a limit below what the module begins with", () => {
    expect(() => limitWasmMemory(withMemory(3), 3 * PAGE - 1)).toThrow(RangeError);
  });

  test("refuses a module without a memory of its own", () => {
    expect(() => limitWasmMemory(Uint8Array.from(HEADER), PAGE)).toThrow(RangeError);
  });
});
