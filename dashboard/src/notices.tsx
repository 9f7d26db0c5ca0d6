// The outcome of an action: a line that goes away for a success, and one that stays until it is closed for a refusal.

import { createContext, useCallback, useContext, useMemo, useState, type ReactNode } from "react";
import { Button } from "react-aria-components";
import { Refusal } from "./parts";
import { useTexts } from "./preferences";

interface Notice {
  key: number;
  text?: string;
  error?: unknown;
}

interface Notices {
  say: (text: string) => void;
  /** Run an action, and show its outcome. Returns whether it succeeded. */
  act: (run: () => Promise<string | void>) => Promise<boolean>;
}

const SHOWN = 6_000;
const MOST = 4;
const Context = createContext<Notices | null>(null);
let keys = 0;

export function NoticesProvider({ children }: { children: ReactNode }) {
  const t = useTexts();
  const [notices, setNotices] = useState<Notice[]>([]);
  const remove = useCallback((key: number) => setNotices((all) => all.filter((each) => each.key !== key)), []);
  const add = useCallback((notice: Omit<Notice, "key">) => {
    const key = ++keys;
    setNotices((all) => [...all, { ...notice, key }].slice(-MOST));
    if (notice.text) setTimeout(() => remove(key), SHOWN);
  }, [remove]);
  const value = useMemo<Notices>(() => ({
    say: (text) => add({ text }),
    act: async (run) => {
      try {
        const text = await run();
        if (text) add({ text });
        return true;
      } catch (error) {
        add({ error });
        return false;
      }
    },
  }), [add]);
  return (
    <Context.Provider value={value}>
      {children}
      <div className="notices" role="region" aria-label={t.notices}>
        {notices.map((each) => (
          <div className="notice" key={each.key}>
            {each.text ? <p role="status">{each.text}</p> : <Refusal error={each.error} />}
            <Button className="icon" aria-label={t.close} onPress={() => remove(each.key)}>
              ×
            </Button>
          </div>
        ))}
      </div>
    </Context.Provider>
  );
}

export function useNotices(): Notices {
  const found = useContext(Context);
  if (!found) throw new Error("NoticesProvider is missing");
  return found;
}
