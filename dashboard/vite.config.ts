// The page's address is the API server's own: assets are asked for from /assets, with a digest of their content in their names.
import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

const here = dirname(fileURLToPath(import.meta.url));

/** The digest of the sources: tests/dashboard compares it with the sources, so that a stale build is found without Node. */
function digest(): string {
  const sources = readdirSync(join(here, "src"), { recursive: true, encoding: "utf8" }).filter((name) => /\.\w+$/.test(name));
  const files = [...sources.map((name) => `src/${name.replaceAll("\\", "/")}`), "index.html", "package-lock.json", "tsconfig.json", "vite.config.ts"];
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
  plugins: [stamp],
  server: { proxy: { "/api": "http://127.0.0.1:3001", "/openapi.json": "http://127.0.0.1:3001" } },
  build: {
    target: "es2022",
    outDir: join(here, "..", "harness", "wasmbed", "api", "dashboard_page"),
    emptyOutDir: true,
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1000,
    rolldownOptions: {
      checks: { pluginTimings: false },
      // Libraries mark modules for servers with "use client", which means nothing in a browser.
      onwarn: (warning, warn) => void (warning.code === "MODULE_LEVEL_DIRECTIVE" || warn(warning)),
    },
  },
});
