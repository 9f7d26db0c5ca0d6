// The selects of language and colours.

import { usePreferences, useTexts, type Language, type Theme } from "./preferences";

export function Choices() {
  const t = useTexts();
  const { language, setLanguage, theme, setTheme } = usePreferences();
  return (
    <div className="choices">
      <label>
        <span>{t.language}</span>
        <select value={language} onChange={(event) => setLanguage(event.target.value as Language)}>
          <option value="en" lang="en">English</option>
          <option value="it" lang="it">Italiano</option>
        </select>
      </label>
      <label>
        <span>{t.colours}</span>
        <select value={theme} onChange={(event) => setTheme(event.target.value as Theme)}>
          <option value="system">{t.themes.system}</option>
          <option value="light">{t.themes.light}</option>
          <option value="dark">{t.themes.dark}</option>
        </select>
      </label>
    </div>
  );
}
