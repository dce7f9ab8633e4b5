//! The dialect of CometServerApi.js. Sections are those of our own description of it, 1.1 to 1.6; a
//! row marked "ours" is where we go further than CppComet, or do not copy a defect of it.

mod commands;
mod connect;
mod content;
mod frames;
