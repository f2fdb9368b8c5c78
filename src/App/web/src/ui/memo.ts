import { Component, type ComponentType, h } from 'preact';

/** Draws again only where a prop is another one. (Preact has this in its compat package only, which is not needed for anything else.) */
export function memo<P extends object>(inner: ComponentType<P>): ComponentType<P> {
  return class Memo extends Component<P> {
    override shouldComponentUpdate(next: P): boolean {
      const now = this.props as P;
      return Object.keys(next).some(key => next[key as keyof P] !== now[key as keyof P]);
    }

    override render() {
      return h(inner, this.props as P & { children?: never });
    }
  };
}
