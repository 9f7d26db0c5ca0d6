// The actions of a row. The menu is made when it is opened: a table has a button in each of its rows.

import { useRef, useState } from "react";
import { Menu, MenuItem, Popover } from "react-aria-components";

export interface Action {
  key: string;
  title: string;
  run: () => void;
  danger?: boolean;
}

export function Actions({ label, actions }: { label: string; actions: () => readonly Action[] }) {
  const button = useRef<HTMLButtonElement>(null);
  const [open, setOpen] = useState<readonly Action[] | null>(null);
  const close = () => setOpen(null);
  return (
    <>
      <button type="button" ref={button} className="icon" aria-label={label} aria-haspopup="menu" aria-expanded={open !== null} onClick={() => setOpen(actions())}>
        ⋯
      </button>
      {open && (
        <Popover className="popover" placement="bottom end" triggerRef={button} isOpen onOpenChange={close}>
          <Menu className="menu" aria-label={label} autoFocus="first" onClose={close} onAction={(key) => open.find((each) => each.key === key)?.run()}>
            {open.map((each) => (
              <MenuItem key={each.key} id={each.key} className={each.danger ? "menu-item danger" : "menu-item"}>
                {each.title}
              </MenuItem>
            ))}
          </Menu>
        </Popover>
      )}
    </>
  );
}
