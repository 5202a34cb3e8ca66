// Starts the app.
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Board } from "./Board";
import "./board.css";

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no element with the id root");
createRoot(root).render(<StrictMode><Board /></StrictMode>);
