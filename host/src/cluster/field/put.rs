//! One field of an object in memory, put and taken away. Pure.

use super::{Path, Step, place_of};
use serde_json::{Value, json};

impl Path {
    /// Gives the field of an object this value, or takes it away.
    pub fn put(&self, object: &mut Value, value: Option<Value>) {
        let Some((last, parents)) = self.0.split_last() else {
            return;
        };
        let mut at = object;
        for step in parents {
            let Some(next) = child(at, step, value.is_some()) else {
                return;
            };
            at = next;
        }
        let Some(value) = value else {
            take(at, last);
            return;
        };
        if let Some(place) = child(at, last, true) {
            *place = value;
        }
    }
}

/// One step further, which is made on the way if so asked.
fn child<'a>(at: &'a mut Value, step: &Step, make: bool) -> Option<&'a mut Value> {
    match step {
        Step::Key(key) => {
            if at.is_null() && make {
                *at = json!({});
            }
            let map = at.as_object_mut()?;
            if make {
                return Some(map.entry(key.clone()).or_insert(Value::Null));
            }
            map.get_mut(key)
        }
        Step::Named(name) => {
            if at.is_null() && make {
                *at = json!([]);
            }
            let place = place_of(at, name);
            let list = at.as_array_mut()?;
            if place.is_none() && make {
                list.push(json!({"name": name}));
                return list.last_mut();
            }
            list.get_mut(place?)
        }
    }
}

fn take(at: &mut Value, step: &Step) {
    match step {
        Step::Key(key) => {
            if let Some(map) = at.as_object_mut() {
                map.remove(key);
            }
        }
        Step::Named(name) => {
            let place = place_of(at, name);
            if let (Some(list), Some(place)) = (at.as_array_mut(), place) {
                list.remove(place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Path, Step};
    use serde_json::json;

    #[test]
    fn a_field_is_put_and_taken_away() {
        let mut object = json!({"spec": {"containers": [{"name": "log", "image": "l:1"}, {"name": "app", "image": "a:1"}]}});
        let image = Path::of(&["spec", "containers"])
            .and(Step::Named("app".into()))
            .and(Step::Key("image".into()));
        image.put(&mut object, Some(json!("a:2")));
        assert_eq!(image.get(&object), Some(&json!("a:2")));
        let label = Path::of(&["metadata", "labels", "a"]);
        label.put(&mut object, Some(json!("b")));
        assert_eq!(object["metadata"]["labels"], json!({"a": "b"}));
        label.put(&mut object, None);
        Path::of(&["spec", "containers"])
            .and(Step::Named("log".into()))
            .put(&mut object, None);
        assert_eq!(object["metadata"]["labels"], json!({}));
        assert_eq!(
            object["spec"]["containers"].as_array().map(Vec::len),
            Some(1)
        );
    }
}
