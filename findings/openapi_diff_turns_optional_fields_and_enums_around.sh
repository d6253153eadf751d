#!/bin/sh
# Expected: a checker of breaking changes passes a new optional property of a request body (old clients do not send it), and reports a value that
#           a request's enumeration no longer takes (old clients may send it).
# Happens:  the other way round. The new optional property is reported as breaking, and the removed value passes as "no changes" (exit 0), also
#           where the enumeration stands in the schema itself, without a reference.
# Versions: openapi-diff 0.24.1 (npm), Node 20; 2026-11-29.
# Means:    as the only gate in CI it stops harmless releases and lets breaking ones through; try a gate with changes whose answer is known.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund openapi-diff@0.24.1
cat > write.mjs <<'JS'
import { writeFileSync } from "node:fs";
const schema = (kinds, more) => ({
  openapi: "3.0.3",
  info: { title: "t", version: "1" },
  paths: {
    "/orders": {
      post: {
        requestBody: {
          required: true,
          content: {
            "application/json": {
              schema: {
                type: "object",
                required: ["kind"],
                properties: { kind: { type: "string", enum: kinds }, ...more },
              },
            },
          },
        },
        responses: { 200: { description: "ok" } },
      },
    },
  },
});
writeFileSync("old.json", JSON.stringify(schema(["web", "mail"], {})));
writeFileSync("optional.json", JSON.stringify(schema(["web", "mail"], { note: { type: "string" } })));
writeFileSync("fewer.json", JSON.stringify(schema(["web"], {})));
JS
node write.mjs
for new in old optional fewer; do
    code=0
    node_modules/.bin/openapi-diff old.json $new.json > $new.txt 2>&1 || code=$?
    echo "old -> $new: exit $code, breaking: $(grep -c '"type": "breaking"' $new.txt || true)"
    echo $code > $new.code
done
test "$(cat old.code)" = 0
test "$(cat optional.code)" = 1 || { echo "the behaviour has changed: a new optional property passes"; exit 1; }
test "$(cat fewer.code)" = 0 || { echo "the behaviour has changed: a removed value is seen"; exit 1; }
