// One file comes out: styles and script inside, the data's places left for harness/reporting/report.py.
import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";
import { viteSingleFile } from "vite-plugin-singlefile";

const here = dirname(fileURLToPath(import.meta.url));
const page = join(here, "..", "page");

/** The digest of the sources: tests/reporting compares it with the sources, so that a stale page is found without Node. */
function digest(): string {
  const sources = readdirSync(join(here, "src"), { recursive: true, encoding: "utf8" }).filter((name) => /\.\w+$/.test(name));
  const files = [...sources.map((name) => `src/${name.replaceAll("\\", "/")}`), "page.html", "package-lock.json", "tsconfig.json", "vite.config.ts"];
  const hash = createHash("sha256");
  for (const name of files.sort()) hash.update(`${name}\0`).update(readFileSync(join(here, name))).update("\0");
  return hash.digest("hex");
}

const stamp: Plugin = {
  name: "stamp",
  transformIndexHtml: () => [{ tag: "meta", attrs: { name: "built-from", content: digest() }, injectTo: "head" }],
};

export default defineConfig({
  root: here,
  plugins: [viteSingleFile({ removeViteModuleLoader: true }), stamp],
  build: {
    target: "es2022",
    outDir: page,
    emptyOutDir: true,
    modulePreload: false,
    rolldownOptions: { input: join(here, "page.html"), output: { entryFileNames: "page.js" } },
  },
});
