// The reader's choices, kept in the browser: language and colours.

import { createContext, useContext, useEffect, useState, type ReactNode } from "react";
import { en, type Texts } from "./texts/en";
import { it } from "./texts/it";

export type Language = "en" | "it";
export type Theme = "system" | "light" | "dark";

const TEXTS: Record<Language, Texts> = { en, it };

interface Preferences {
  language: Language;
  setLanguage: (language: Language) => void;
  theme: Theme;
  setTheme: (theme: Theme) => void;
}

const Context = createContext<Preferences | null>(null);

export function PreferencesProvider({ children }: { children: ReactNode }) {
  const [language, setLanguage] = useKept<Language>("wasmbed-language", ["en", "it"], navigator.language.startsWith("it") ? "it" : "en");
  const [theme, setTheme] = useKept<Theme>("wasmbed-theme", ["system", "light", "dark"], "system");
  useEffect(() => {
    document.documentElement.lang = language;
    document.documentElement.dataset["theme"] = theme;
  }, [language, theme]);
  return <Context.Provider value={{ language, setLanguage, theme, setTheme }}>{children}</Context.Provider>;
}

export function usePreferences(): Preferences {
  const found = useContext(Context);
  if (!found) throw new Error("PreferencesProvider is missing");
  return found;
}

export function useTexts(): Texts {
  return TEXTS[usePreferences().language];
}

function useKept<T extends string>(key: string, choices: readonly T[], initial: T): [T, (value: T) => void] {
  const [value, setValue] = useState<T>(() => choices.find((each) => each === localStorage.getItem(key)) ?? initial);
  return [value, (next) => (localStorage.setItem(key, next), setValue(next))];
}
