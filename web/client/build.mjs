// Builds the client into web/static/: hashed names, source maps and manifest.json
// ({"room.js": "room-ABC.js", …}), which the server reads to write script tags.
// Old files go only after the new manifest stands, so a page being served finds its files.

import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "..", "static");
const entries = {
  entrance: join(here, "src/entrance/main.tsx"),
  enter: join(here, "src/enter.ts"),
  room: join(here, "src/room/main.tsx"),
  app: join(here, "../styles/app.css"),
  icon: join(here, "../styles/icon.svg"),
};

const result = await build({
  absWorkingDir: here,
  entryPoints: entries,
  outdir: out,
  entryNames: "[name]-[hash]",
  chunkNames: "chunk-[hash]",
  assetNames: "[name]-[hash]",
  bundle: true,
  splitting: true,
  format: "esm",
  target: ["es2022", "safari16"],
  minify: true,
  sourcemap: true,
  metafile: true,
  loader: { ".svg": "copy" },
  jsx: "automatic",
  jsxImportSource: "preact",
  logLevel: "warning",
});

const manifest = {};
const written = new Set(["manifest.json"]);
for (const [path, output] of Object.entries(result.metafile.outputs)) {
  const file = relative(out, join(here, path));
  written.add(file);
  const name = file.replace(/-[A-Z0-9]{8}(?=\.[a-z]+$)/, "");
  // Languages are entry points too (dynamic imports), but nobody names them in a page.
  if (output.entryPoint && !file.endsWith(".map") && name.split(".")[0] in entries) manifest[name] = basename(file);
}
await writeFile(join(out, "manifest.json"), JSON.stringify(manifest, null, 1) + "\n");
for (const file of await readdir(out)) {
  if (!written.has(file)) await rm(join(out, file), { force: true, recursive: true });
}
for (const [name, file] of Object.entries(manifest)) {
  console.log(`${name} → ${file} (${((await readFile(join(out, file))).length / 1024).toFixed(1)} kB)`);
}
