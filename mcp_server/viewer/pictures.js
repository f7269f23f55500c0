// Generated images: show them in full size, save them, and draw variations with another seed.
function showPictures(data, content, args) {
  const gallery = document.querySelector(".gallery") ?? view.appendChild(element("div", { className: "gallery" }));
  const previews = content.filter((block) => block.type === "image");
  data.images.forEach((picture, number) => gallery.append(figure(picture, previews[number], data.prompt ?? "", args)));
}

function figure(picture, preview, prompt, args) {
  const shown = element("img", { alt: prompt, width: picture.width, height: picture.height });
  if (preview) shown.src = `data:${preview.mimeType};base64,${preview.data}`;
  if (host.resources) sharpen(shown, picture.uri);
  const details = `${picture.width} × ${picture.height}, seed ${picture.seed}`;
  const path = element("p", { className: "quiet", textContent: picture.path });
  const saving = saveForm(picture.uri, `${slug(prompt)}.png`);
  return element("figure", {}, shown, element("p", { className: "quiet", textContent: details }), path, ...saving, ...vary(args));
}

// The preview is small. A host that reads resources gets the original in its place.
async function sharpen(shown, uri) {
  try {
    shown.src = `data:image/png;base64,${await readBase64(uri)}`;
  } catch {
    shown.dataset.preview = "only";
  }
}

function vary(args) {
  if (!host.tools || !args.prompt) return [];
  const button = element("button", { textContent: "Vary seed" });
  const status = element("p", { className: "quiet" });
  button.addEventListener("click", async () => {
    button.disabled = true;
    setStatus(status, "Drawing …");
    try {
      const { output_path: _, overwrite: __, candidates: ___, keep: ____, ...same } = args;
      const result = await finished(await callTool("generate_image", { ...same, seed: -1, count: 1 }), status);
      setStatus(status, "");
      showPictures(result.structuredContent, result.content, args);
      noteForModel(`The user drew a variation: ${result.structuredContent.images[0].path}`);
    } catch (error) {
      setStatus(status, error.message, true);
    }
    button.disabled = false;
  });
  return [element("div", { className: "row" }, button), status];
}
