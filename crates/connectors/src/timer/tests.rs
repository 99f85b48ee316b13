mod conformance;
mod documentation;
mod expression;
mod schedule;
mod source;
