import type { CommandFunction } from "../command.ts";
import type { DEMO_FLAGS } from "../flags/batch.ts";

/** `demo`. */
export const demoCommand: CommandFunction<typeof DEMO_FLAGS> = async () => 1;
