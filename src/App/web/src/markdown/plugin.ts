import type MarkdownIt from 'markdown-it';

export type MarkdownItPlugin = (md: InstanceType<typeof MarkdownIt>) => void;
