// The code editor. It is loaded when a page needs it.

import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting, type LanguageSupport } from "@codemirror/language";
import { lintGutter, setDiagnostics, type Diagnostic as Mark } from "@codemirror/lint";
import { Compartment } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { useEffect, useRef } from "react";
import type { Diagnostic } from "./compile";

/** Each language is loaded when code in it is shown. */
const LANGUAGES: Record<string, () => Promise<LanguageSupport>> = {
  rust: async () => (await import("@codemirror/lang-rust")).rust(),
  c: async () => (await import("@codemirror/lang-cpp")).cpp(),
  assemblyscript: async () => (await import("@codemirror/lang-javascript")).javascript({ typescript: true }),
  wat: async () => (await import("@codemirror/lang-wast")).wast(),
};

const colours = EditorView.theme({
  "&": { backgroundColor: "var(--panel)", color: "var(--ink)", border: "1px solid var(--edge)", borderRadius: "8px", fontSize: ".88rem" },
  "&.cm-focused": { outline: "2px solid var(--accent)" },
  ".cm-scroller": { fontFamily: "var(--mono)", maxHeight: "26rem", minHeight: "14rem" },
  ".cm-content": { caretColor: "var(--ink)" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  ".cm-gutters": { backgroundColor: "var(--tint)", color: "var(--soft)", border: "0" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "var(--tint)" },
  "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "color-mix(in srgb, var(--accent) 30%, transparent) !important" },
  ".cm-tooltip, .cm-panels": { backgroundColor: "var(--panel)", color: "var(--ink)", border: "1px solid var(--edge)" },
});

const highlighting = syntaxHighlighting(HighlightStyle.define([
  { tag: [tags.keyword, tags.modifier, tags.controlKeyword], color: "var(--accent)" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--good)" },
  { tag: [tags.number, tags.bool, tags.literal], color: "var(--warn)" },
  { tag: tags.comment, color: "var(--soft)", fontStyle: "italic" },
  { tag: [tags.function(tags.variableName), tags.macroName, tags.typeName], color: "var(--bad)" },
]));

interface Props {
  label: string;
  language: string;
  value: string;
  change: (value: string) => void;
  diagnostics: readonly Diagnostic[];
}

export default function Editor({ label, language, value, change, diagnostics }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const changed = useRef(change);
  changed.current = change;
  useEffect(() => {
    const grammar = new Compartment();
    const made = new EditorView({
      parent: place.current as HTMLElement,
      doc: value,
      extensions: [
        lineNumbers(),
        highlightActiveLine(),
        highlightActiveLineGutter(),
        history(),
        drawSelection(),
        indentOnInput(),
        bracketMatching(),
        keymap.of([...defaultKeymap, ...historyKeymap]),
        grammar.of([]),
        colours,
        highlighting,
        lintGutter(),
        EditorView.contentAttributes.of({ "aria-label": label }),
        EditorView.updateListener.of((update) => update.docChanged && changed.current(update.state.doc.toString())),
      ],
    });
    view.current = made;
    void LANGUAGES[language]?.().then((loaded) => made.dispatch({ effects: grammar.reconfigure(loaded) }));
    return () => made.destroy();
    // The text is the editor's own from here on.
  }, [language, label]);
  useEffect(() => {
    const made = view.current;
    if (!made) return;
    const { doc } = made.state;
    const marks = diagnostics.filter((each) => each.line && each.line <= doc.lines).map((each): Mark => {
      const line = doc.line(each.line ?? 1);
      const from = Math.min(line.from + Math.max((each.column ?? 1) - 1, 0), line.to);
      return { from, to: line.to, severity: each.level === "warning" ? "warning" : "error", message: [each.message, each.suggestion].filter(Boolean).join("\n") };
    });
    made.dispatch(setDiagnostics(made.state, marks));
  }, [diagnostics]);
  return <div ref={place} />;
}
