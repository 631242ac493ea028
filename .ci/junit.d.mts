/** How many test cases of a JUnit report passed, failed and were skipped. */
export function countTests(xml: string): {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
};
/** The names of the skipped test cases, with their files. */
export function listSkipped(xml: string): readonly string[];
