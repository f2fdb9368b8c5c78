import './styles/all.css';
import { render } from 'preact';
import { follow } from './events';
import { startRouter } from './router';
import { Shell } from './Shell';
import { applyKeptTheme } from './theme';

applyKeptTheme();
startRouter();
follow();
render(<Shell />, document.getElementById('app')!);
