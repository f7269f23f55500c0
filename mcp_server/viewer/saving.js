// What every kind of result needs: elements, and a form that puts a result into the project.
function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function slug(text) {
  const words = text.toLowerCase().normalize("NFKD").replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "");
  return words.slice(0, 40).replace(/-+$/, "") || "result";
}

function saveForm(uri, name) {
  const path = element("input", { value: name, ariaLabel: "Save as", spellcheck: false });
  const button = element("button", { textContent: "Save" });
  const outcome = element("p", { className: "quiet" });
  const form = element("form", { className: "row" }, path, button);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      const { structuredContent } = await callTool("save_media", { uri, path: path.value });
      tell(outcome, `Saved as ${structuredContent.path}`);
      noteForModel(`The user saved ${uri} as ${structuredContent.path}.`);
    } catch (error) {
      tell(outcome, error.message, true);
    }
    button.disabled = false;
  });
  return host.tools ? [form, outcome] : [];
}

function tell(place, text, wrong = false) {
  place.textContent = text;
  place.classList.toggle("wrong", wrong);
}

// A host that keeps nothing for its model refuses this, and nothing is lost.
function noteForModel(text) {
  request("ui/update-model-context", { content: [{ type: "text", text }] }).catch(() => {});
}
