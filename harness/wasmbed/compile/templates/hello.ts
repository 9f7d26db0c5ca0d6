// Writes a line to the console, once.
import { log } from "./wasmbed";

/** Called once after the deployment. */
export function run(): void {
  log("hello from AssemblyScript");
}
