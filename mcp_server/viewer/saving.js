// Shared by every kind of result: elements, status lines, and the form that saves a result in the project.
function element(name, properties = {}, ...children) {
  const created = Object.assign(document.createElement(name), properties);
  created.append(...children);
  return created;
}

function slug(text) {
  const words = text.toLowerCase().normalize("NFKD").replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "");
  return words.slice(0, 40).replace(/-+$/, "") || "result";
}

function saveForm(uri, name) {
  const path = element("input", { value: name, ariaLabel: "Save as", spellcheck: false });
  const button = element("button", { textContent: "Save" });
  const status = element("p", { className: "quiet" });
  const form = element("form", { className: "row" }, path, button);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      const { structuredContent } = await callTool("save_media", { uri, path: path.value });
      setStatus(status, `Saved as ${structuredContent.path}`);
      noteForModel(`The user saved ${uri} as ${structuredContent.path}.`);
    } catch (error) {
      setStatus(status, error.message, true);
    }
    button.disabled = false;
  });
  return host.tools ? [form, status] : [];
}

function setStatus(line, text, wrong = false) {
  line.textContent = text;
  line.classList.toggle("wrong", wrong);
}

// Some hosts refuse this request; the note is optional, so the refusal is ignored.
function noteForModel(text) {
  request("ui/update-model-context", { content: [{ type: "text", text }] }).catch(() => {});
}
