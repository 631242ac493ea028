import { printableLine } from "./printable.ts";

/** A line of what `bundle inspect` shows, and the lines below it. */
export interface InspectNode {
  readonly label: string;
  /** Empty: only what is below it. */
  readonly value: string;
  readonly children: readonly InspectNode[];
}

/** Makes a node; what is absent among the children is left out. */
export function node(
  label: string,
  value = "",
  ...children: readonly (InspectNode | readonly InspectNode[] | undefined)[]
): InspectNode {
  return { label, value, children: children.flat().filter((child) => child !== undefined) };
}

/** A node with something that is wrong with what stands above it, in cosign's words. */
export function warningNode(text: string): InspectNode {
  return node("[!] WARNING", text);
}

/** How much there is of what is not shown itself. */
export function presentNode(label: string, bytes: Uint8Array): InspectNode {
  return node(label, `Present (${bytes.length} bytes)`);
}

/** The text of nodes: cosign's layout, in which every level is indented by two blanks more. */
export function formatNodes(nodes: readonly InspectNode[], depth = 0): string {
  return nodes
    .map(({ label, value, children }) => {
      const text = value === "" ? "" : ` ${printableLine(value)}`;
      const line = `${"  ".repeat(depth)}- ${printableLine(label)}:${text}\n`;
      return line + formatNodes(children, depth + 1);
    })
    .join("");
}

/** A time in UTC, to the second, as Go's RFC3339 has it. */
export function timeText(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}
